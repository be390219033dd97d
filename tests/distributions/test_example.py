"""The example plugin: installed, found, played; and the tutorial that shows it, letter by letter."""

from __future__ import annotations

import importlib.util
import inspect
import re
import tomllib
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from support.paths import ROOT

from ganforge.api.data import to_device
from ganforge.plugins.catalogue import FAMILIES
from ganforge.plugins.loading import load_catalogue
from ganforge.recipes.recipe import Recipe
from ganforge.training.build import build_runner

PLUGIN = ROOT / "plugins" / "ganforge-example"
TUTORIAL = ROOT / "docs" / "tutorial-plugin.md"
INSTALLED = importlib.util.find_spec("ganforge_example") is not None
needs_plugin = pytest.mark.skipif(
    not INSTALLED, reason="ganforge-example is not installed: pip install ./plugins/ganforge-example"
)
SHOWN = re.findall(r"<!-- file: (\S+) -->\n```\w+\n(.*?)```", TUTORIAL.read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize(("name", "text"), SHOWN, ids=[name for name, _ in SHOWN])
def test_the_tutorial_shows_the_files_as_they_are(name: str, text: str) -> None:
    assert text == (PLUGIN / name).read_text(encoding="utf-8")


def test_the_tutorial_shows_all_files_but_the_readme() -> None:
    files = {path.name for path in PLUGIN.iterdir() if path.is_file() and path.name != "README.md"}
    assert {name for name, _ in SHOWN} == files


def test_the_tutorial_names_every_family_with_its_base_class() -> None:
    rows = re.findall(r"^\| (\w+) \| `(\w+)` \|", TUTORIAL.read_text(encoding="utf-8"), re.MULTILINE)
    assert dict(rows) == {family: base.__name__ for family, base in FAMILIES.items()}


def test_the_plugin_is_forty_lines() -> None:
    lines = (PLUGIN / "ganforge_example.py").read_text(encoding="utf-8").splitlines()
    assert sum(bool(line.strip()) for line in lines) <= 40


def _own_tests() -> ModuleType:
    spec = importlib.util.spec_from_file_location("example_own_tests", PLUGIN / "test_ganforge_example.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@needs_plugin
def test_the_tests_of_the_tutorial_pass() -> None:
    tests = [test for name, test in inspect.getmembers(_own_tests(), inspect.isfunction) if name.startswith("test_")]
    assert len(tests) == 2
    for test in tests:
        test()


@needs_plugin
def test_the_catalogue_has_its_components_and_says_whose_they_are() -> None:
    catalogue = load_catalogue()
    assert catalogue.provider("generators", "sine") == "ganforge-example 0.1.0"
    assert catalogue.provider("losses", "pearson-chi-square") == "ganforge-example 0.1.0"
    assert "sine" not in load_catalogue(leave_out=["example"]).family("generators")


@needs_plugin
def test_its_recipe_plays(tmp_path: Path) -> None:
    table = tomllib.loads((PLUGIN / "sine_ring.toml").read_text(encoding="utf-8"))
    recipe = Recipe.model_validate(table, context={"catalogue": load_catalogue()})
    source = recipe.data.open(tmp_path)
    runner = build_runner(recipe, source.spec, Accelerator(cpu=True))
    before = {name: value.detach().clone() for name, value in runner.game.named_parameters()}
    for start in range(0, 3 * runner.batch, runner.batch):
        runner.play_round(to_device(source.batch(np.arange(start, start + runner.batch)), torch.device("cpu")))
    after = dict(runner.game.named_parameters())
    moved = {name.split(".")[0] for name, value in after.items() if not torch.equal(value, before[name])}
    assert moved == {"generator", "discriminator"}
    assert all(bool(torch.isfinite(value).all()) for value in after.values())
