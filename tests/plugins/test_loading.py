"""The catalogue: what is installed, by family and kind, and who offers it."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import ClassVar, Literal

import pytest
from support.installed import catalogue

from ganforge import builtin
from ganforge.api import hookspecs
from ganforge.api.component import default_kind
from ganforge.api.families import Constraint
from ganforge.api.hookspecs import components_in
from ganforge.builtin import networks
from ganforge.builtin.losses.hinge import Hinge
from ganforge.builtin.optimizers.adam import Adam
from ganforge.builtin.optimizers.sgd import Sgd
from ganforge.errors import PluginError
from ganforge.plugins.catalogue import FAMILIES, Catalogue, CatalogueEntry, Plugin
from ganforge.plugins.loading import load_catalogue


def test_there_is_one_hook_and_our_own_stand_in_it():
    assert [name for name in vars(hookspecs) if name.startswith("ganforge_")] == ["ganforge_components"]
    assert set(builtin.ganforge_components()) == {entry.cls for entry in catalogue().entries}
    assert {entry.plugin.distribution for entry in catalogue().entries} == {"ganforge"}
    assert catalogue().broken == ()


def test_a_family_is_known_by_its_base_class():
    assert {base.family for base in FAMILIES.values()} == set(FAMILIES)
    assert all((base.noun and inspect.isabstract(base)) or base is Constraint for base in FAMILIES.values())
    for entry in catalogue().entries:
        assert [family for family, base in FAMILIES.items() if issubclass(entry.cls, base)] == [entry.family]
        assert entry.cls.family == entry.family


def test_the_promised_components_are_there():
    promised = {
        "games": {"gan"},
        "generators": {"mlp", "dcgan", "stylegan2"},
        "discriminators": {"mlp", "dcgan", "stylegan2"},
        "losses": {"minimax", "non-saturating", "least-squares", "hinge", "wasserstein", "relativistic"},
        "regularizers": {"r1", "r2", "gradient-penalty", "path-length"},
        "constraints": {"spectral-norm", "weight-clipping"},
        "datasets": {"images", "faces", "digits", "ring", "grid"},
        "metrics": {"fid", "pixel-variance", "mode-coverage"},
        "augmentations": {"ada", "diffaugment", "mirror"},
        "optimizers": {"adam"},
    }
    for family, kinds in promised.items():
        assert kinds <= set(catalogue().family(family)), family


def test_concrete_components_are_found_and_each_once():
    found = components_in(networks)
    assert len(found) == len(set(found)) == sum(len(catalogue().family(f)) for f in ("generators", "discriminators"))
    assert not any(inspect.isabstract(cls) for cls in found)


def test_a_file_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    package = tmp_path / "my_losses"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "one.py").write_text(
        "from typing import Literal\nfrom ganforge.builtin.losses.hinge import Hinge\n"
        "class Mine(Hinge):\n    kind: Literal['mine'] = 'mine'\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    import my_losses

    assert [cls.__name__ for cls in components_in(my_losses)] == ["Mine"], "what it only imports is not its own"


def test_entries_are_in_order_and_providers_are_known():
    entries = catalogue().entries
    order = list(FAMILIES)
    assert [order.index(entry.family) for entry in entries] == sorted(order.index(entry.family) for entry in entries)
    assert catalogue().provider("losses", "hinge").startswith("ganforge ")


def test_collisions():
    entries = [CatalogueEntry("losses", "hinge", Hinge, Plugin(name, f"{name}-dist", "1")) for name in ("one", "two")]
    with pytest.raises(PluginError, match=r"one-dist 1 .* two-dist 1 .*leave one out with leave_out 'two'"):
        Catalogue(entries)
    assert PluginError.exit_code == 2


class Default(Sgd):
    """An optimizer that would be meant where none is named."""

    kind: Literal["mine"] = "mine"
    is_default: ClassVar[bool] = True


def test_what_a_table_without_a_kind_means_is_said_by_one_component_only():
    plugins = [Plugin(name, f"{name}-dist", "1") for name in ("one", "two")]
    entries = [
        CatalogueEntry("optimizers", cls.kind_name(), cls, plugin)
        for cls, plugin in zip((Adam, Default), plugins, strict=True)
    ]
    assert default_kind(Catalogue(entries[:1]), "optimizers") == "adam"
    assert default_kind(Catalogue(entries[1:]), "optimizers") == "mine"
    assert default_kind(Catalogue([]), "optimizers") is None
    with pytest.raises(PluginError, match=r"two optimizers say that they are meant .*one-dist 1 .* two-dist 1 "):
        Catalogue(entries)


def test_our_own_can_be_left_out_by_name_only():
    assert load_catalogue(only=[]).family("losses")
    assert load_catalogue(leave_out=["builtin"], only=[]).family("losses") == {}


def test_who_extends_the_default_is_not_another_default():
    class Amsgrad(Adam):
        kind: Literal["amsgrad"] = "amsgrad"

    plugin = Plugin("amsgrad", "ganforge-amsgrad", "1")
    entries = [*catalogue().entries, CatalogueEntry("optimizers", "amsgrad", Amsgrad, plugin)]
    assert default_kind(Catalogue(entries), "optimizers") == "adam"
