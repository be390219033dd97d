"""Broken plugins, as real distributions: each is named with its reason, and everything else still works."""

from __future__ import annotations

import itertools
import textwrap
from pathlib import Path

import pytest
from support.paths import RECIPES

from ganforge.cli import main
from ganforge.errors import PluginError
from ganforge.plugins.catalogue import Catalogue
from ganforge.plugins.loading import ENVIRONMENT, load_catalogue

_NUMBERS = itertools.count()
GOOD = '''
from typing import Literal
from ganforge import Duel, Loss, hookimpl

class Mine(Loss):
    """A loss of one's own (Doe 2024, arXiv:2401.00001)."""
    kind: Literal["{kind}"] = "{kind}"
    def discriminator(self, duel: Duel): return duel.fake_logits - duel.real_logits
    def generator(self, duel: Duel): return -duel.fake_logits

@hookimpl
def ganforge_components(): return [Mine]
'''


@pytest.fixture(autouse=True)
def _no_narrowing(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv(ENVIRONMENT, raising=False)


class Site:
    """A folder of installed distributions."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def install(self, name: str, code: str, version: str = "1.2.3") -> str:
        """Install a distribution of one module with one plugin of the same name; return the name."""
        module = f"{name.replace('-', '_')}_{next(_NUMBERS)}"
        (self.folder / f"{module}.py").write_text(textwrap.dedent(code))
        info = self.folder / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text(f"[ganforge]\n{name} = {module}\n")
        return name


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.syspath_prepend(str(tmp_path))
    return Site(tmp_path)


def reason_of(catalogue: Catalogue, name: str) -> str:
    (plugin,) = [plugin for plugin in catalogue.broken if plugin.name == name]
    assert (plugin.distribution, plugin.version) == (name, "1.2.3")
    assert plugin.reason
    assert "\n" not in plugin.reason
    return plugin.reason


BROKEN = {
    "missing module": ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
    "import error": ("from ganforge import NoSuchThing", "ImportError: cannot import name 'NoSuchThing'"),
    "syntax": ("def (:", "SyntaxError"),
    "exit": ("raise SystemExit(3)", "SystemExit: 3"),
    "exit quietly": ("import sys; sys.exit()", "SystemExit"),
    "any exception": ("class Odd(Exception): pass\nraise Odd('two\\nlines')", "Odd: two lines"),
    "division": ("1 / 0", "ZeroDivisionError: division by zero"),
    "no hook": (
        "x = 1",
        "offers no component; a plugin implements one hook, marked with @hookimpl: ganforge_components()",
    ),
    "not marked": ("def ganforge_components(): return []", "offers no component"),
    "misspelt hook": (
        "from ganforge import hookimpl\n@hookimpl\ndef ganforge_component(): return []",
        "unknown hook 'ganforge_component'",
    ),
    "a hook of former times": (
        GOOD.format(kind="mine").replace("ganforge_components", "ganforge_losses"),
        "a plugin implements one hook, marked with @hookimpl: ganforge_components(), which returns its component",
    ),
    "bad signature": (
        "from ganforge import hookimpl\n@hookimpl\ndef ganforge_components(catalogue): return []",
        "Argument(s) {'catalogue'} are declared in the hookimpl but can not be found in the hookspec",
    ),
    "hook raises": (
        "from ganforge import hookimpl\n@hookimpl\ndef ganforge_components(): raise RuntimeError('not today')",
        "RuntimeError: not today",
    ),
    "hook exits": (
        "from ganforge import hookimpl\n@hookimpl\ndef ganforge_components(): raise SystemExit",
        "SystemExit",
    ),
    "not a class": (
        "from ganforge import hookimpl\n@hookimpl\ndef ganforge_components(): return ['hinge']",
        "ganforge_components returned 'hinge', which is no component class",
    ),
    "not a list": ("from ganforge import hookimpl\n@hookimpl\ndef ganforge_components(): return 7", "TypeError"),
    "no family": (
        GOOD.format(kind="mine")
        .replace("Mine(Loss)", "Mine(Component)")
        .replace("Duel, Loss", "Component, Duel, Loss"),
        "Mine is of no family; derive it from one of GameComponent, Generator, Discriminator, Loss,",
    ),
    "two families": (
        GOOD.format(kind="mine")
        .replace("Mine(Loss)", "Mine(Loss, Constraint)")
        .replace("Duel, Loss", "Constraint, Duel, Loss"),
        "Mine is of several families (losses, constraints)",
    ),
    "abstract": (
        GOOD.format(kind="mine").replace("def generator", "def generate"),
        "Mine, which ganforge_components returned, does not define generator",
    ),
    "no kind": (
        GOOD.format(kind="mine").replace('kind: Literal["mine"] = "mine"', "weight: float = 1.0"),
        'Mine has no kind; write kind: Literal["my-kind"] = "my-kind"',
    ),
    "field without a type": (
        GOOD.format(kind="mine").replace("kind: Literal", "x = 3; kind: Literal"),
        "PydanticUserError",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_plugin_is_named_and_all_else_works(site: Site, case: str):
    code, reason = BROKEN[case]
    site.install("broken-thing", code)
    site.install("good-thing", GOOD.format(kind="good"))
    catalogue = load_catalogue()
    assert reason in reason_of(catalogue, "broken-thing")
    assert "good" in catalogue.family("losses")
    assert catalogue.provider("losses", "good") == "good-thing 1.2.3"
    assert "non-saturating" in catalogue.family("losses")
    assert "gan" in catalogue.family("games")


def test_an_entry_point_to_nothing(site: Site):
    site.install("hollow-thing", "")
    next(site.folder.glob("hollow_thing_*.py")).unlink()
    assert "ModuleNotFoundError" in reason_of(load_catalogue(), "hollow-thing")


def test_two_with_one_kind_name_both_distributions(site: Site):
    site.install("first-thing", GOOD.format(kind="mine"))
    site.install("second-thing", GOOD.format(kind="mine"), version="4.5")
    with pytest.raises(PluginError) as error:
        load_catalogue()
    for part in ("two losses are called 'mine'", "first-thing 1.2.3", "second-thing 4.5", "leave_out 'second-thing'"):
        assert part in str(error.value)
    assert load_catalogue(["second-thing"]).provider("losses", "mine") == "first-thing 1.2.3"


def test_nobody_takes_the_name_of_a_built_in(site: Site):
    site.install("usurper", GOOD.format(kind="hinge"))
    with pytest.raises(PluginError, match=r"two losses are called 'hinge'.*leave_out 'usurper'"):
        load_catalogue()


def test_one_kind_in_two_families_is_no_collision(site: Site):
    site.install("thing", GOOD.format(kind="mlp"))
    assert "mlp" in load_catalogue().family("losses")
    assert "mlp" in load_catalogue().family("generators")


def test_one_plugin_naming_a_kind_twice(site: Site):
    site.install("thing", GOOD.format(kind="mine").replace("[Mine]", "[Mine, type('Other', (Mine,), {})]"))
    with pytest.raises(PluginError, match="two losses are called 'mine'"):
        load_catalogue()


def test_environment_narrows_to_what_it_names(site: Site, monkeypatch: pytest.MonkeyPatch):
    site.install("first-thing", GOOD.format(kind="one"))
    site.install("second-thing", GOOD.format(kind="two"))
    monkeypatch.setenv(ENVIRONMENT, " second-thing ,")
    catalogue = load_catalogue()
    assert "two" in catalogue.family("losses")
    assert "one" not in catalogue.family("losses")
    assert "hinge" in catalogue.family("losses"), "our own are always there"
    monkeypatch.setenv(ENVIRONMENT, "")
    assert not {"one", "two"} & set(load_catalogue().family("losses"))
    monkeypatch.setenv(ENVIRONMENT, "third-thing")
    with pytest.raises(PluginError, match=r"no plugin is called 'third-thing'; installed: .*first-thing"):
        load_catalogue()


def test_what_is_narrowed_away_is_not_even_imported(site: Site, monkeypatch: pytest.MonkeyPatch):
    site.install("marker", f"open({str(site.folder / 'imported')!r}, 'w')")
    monkeypatch.setenv(ENVIRONMENT, "")
    load_catalogue()
    assert not (site.folder / "imported").exists()
    load_catalogue(only=["marker"])
    assert (site.folder / "imported").exists()


def test_a_plugin_to_leave_out_must_exist(site: Site):
    with pytest.raises(PluginError, match=r"no plugin is called 'typo'; installed: .*ganforge"):
        load_catalogue(["typo"])


def test_the_command_line_names_it_and_goes_on(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    site.install("broken-thing", "raise SystemExit(3)")
    monkeypatch.setenv("GANFORGE_CACHE", str(tmp_path / "cache"))
    recipe = str(RECIPES / "wgan_gp_ring.toml")

    def dry_run(*arguments: str) -> tuple[int, str]:
        with pytest.raises(SystemExit) as ended:
            main(["run", recipe, "--dry-run", "--device", "cpu", *arguments])
        return int(ended.value.code or 0), capsys.readouterr().err

    code, said = dry_run()
    assert code == 0
    assert "plugin broken-thing of broken-thing 1.2.3 was left out: SystemExit: 3" in said
    code, said = dry_run("--no-plugin", "broken-thing")
    assert code == 0
    assert "broken-thing" not in said
    code, said = dry_run("--no-plugin", "broken-thin")
    assert code == 2
    assert "no plugin is called 'broken-thin'" in said
