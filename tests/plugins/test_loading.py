"""The catalogue: what is installed, by family and kind, and who offers it."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest
from support.installed import catalogue

from ganforge import builtin
from ganforge.api.families import Discriminator, Generator, Loss
from ganforge.builtin import networks
from ganforge.builtin.losses.hinge import Hinge
from ganforge.errors import PluginError
from ganforge.plugins import hookspecs
from ganforge.plugins.catalogue import FAMILIES, Catalogue, CatalogueEntry, Plugin
from ganforge.plugins.loading import components_in, load_catalogue


def test_every_family_has_a_hook_and_every_hook_a_family():
    hooks = {name for name in vars(hookspecs) if name.startswith("ganforge_")}
    assert hooks == {f"ganforge_{family}" for family in FAMILIES}
    assert all(inspect.getdoc(getattr(hookspecs, hook)) for hook in hooks)


def test_our_own_stand_in_the_same_hooks():
    assert {name for name in vars(builtin) if name.startswith("ganforge_")} == {f"ganforge_{f}" for f in FAMILIES}
    assert {entry.plugin.distribution for entry in catalogue().entries} == {"ganforge"}
    assert catalogue().broken == ()


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


def test_offered_finds_concrete_classes_of_its_family_only():
    generators = components_in(networks, Generator)
    assert len(generators) == len(set(generators)) == len(catalogue().family("generators"))
    assert not any(issubclass(cls, Discriminator) or inspect.isabstract(cls) for cls in generators)
    assert components_in(networks, Loss) == []


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

    assert [cls.__name__ for cls in components_in(my_losses, Loss)] == ["Mine"], "what it only imports is not its own"


def test_entries_are_in_order_and_providers_are_known():
    entries = catalogue().entries
    order = list(FAMILIES)
    assert [order.index(entry.family) for entry in entries] == sorted(order.index(entry.family) for entry in entries)
    assert catalogue().provider("losses", "hinge").startswith("ganforge ")


def test_collisions():
    entries = [CatalogueEntry("losses", "hinge", Hinge, Plugin(name, f"{name}-dist", "1")) for name in ("one", "two")]
    with pytest.raises(PluginError, match=r"one-dist 1 .* two-dist 1 .*--no-plugin two"):
        Catalogue(entries)
    assert PluginError.exit_code == 2


def test_our_own_can_be_left_out_by_name_only():
    assert load_catalogue(only=[]).family("losses")
    assert load_catalogue(leave_out=["builtin"], only=[]).family("losses") == {}
