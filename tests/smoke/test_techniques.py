"""Every line of docs/techniques.md is TOML that plays; every regularizer, augmentation and head has a line."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from typing import Any

import pytest
from jsonschema import Draft7Validator
from support.installed import catalogue
from support.paths import DOCS
from support.toys import ToySource, batches, gan_table, recipe_of, runner_of

from ganforge.api.data import DataSpec
from ganforge.recipes.json_schema import recipe_schema
from ganforge.recipes.recipe import parse_recipe
from ganforge.recipes.toml_writer import recipe_to_toml

PAGE = (DOCS / "techniques.md").read_text()
SPEC = DataSpec((1, 8, 8), 3)


def lines() -> list[tuple[str, str]]:
    """The technique and the TOML of each row of the tables."""
    found = []
    for line in PAGE.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("|") and "`game." in cells[-1]:
            found.append((cells[0], "\n".join(re.findall(r"`([^`]+)`", cells[-1]))))
    return found


ROWS = lines()


def merged(table: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """The table with changes laid over it; a table that names its kind replaces what was there."""
    result = dict(table)
    for key, value in changes.items():
        old = result.get(key)
        whole = not isinstance(value, Mapping) or not isinstance(old, Mapping) or (key != "game" and "kind" in value)
        result[key] = value if whole else merged(old, value)
    return result


@pytest.mark.parametrize(("technique", "toml"), ROWS, ids=[row[0] for row in ROWS])
def test_it_plays(technique: str, toml: str):
    small = {"generator__network": {"kind": "dcgan", "latent": 8, "width": 4}}
    base = {"game": gan_table(**small, discriminator__network={"kind": "dcgan", "width": 4, "norm": "none"})}
    table = merged(base, tomllib.loads(toml))
    assert table != base, "it changes something"
    runner = runner_of(table["game"], SPEC, batch=8)
    for batch in batches(runner, ToySource(SPEC), 2):
        assert all(value.isfinite().all() for value in runner.play_round(batch).values())


@pytest.fixture(scope="module")
def installed() -> Draft7Validator:
    return Draft7Validator(recipe_schema(catalogue()))


@pytest.mark.parametrize(("technique", "toml"), ROWS, ids=[row[0] for row in ROWS])
def test_it_is_shown_and_known_to_editors(technique: str, toml: str, installed: Draft7Validator):
    """What `ganforge recipe show` writes reads back to the same, and the schema takes both."""
    recipe = recipe_of(merged({"game": gan_table()}, tomllib.loads(toml))["game"])
    written = recipe_to_toml(recipe)
    assert parse_recipe(written, "shown.toml", catalogue()) == recipe
    installed.validate(tomllib.loads(written))
    installed.validate(merged(tomllib.loads(recipe_to_toml(recipe_of())), tomllib.loads(toml)))


def test_there_are_lines():
    assert len(ROWS) > 35
    assert len({technique for technique, _ in ROWS}) == len(ROWS)


@pytest.mark.parametrize("family", ["regularizers", "augmentations", "constraints"])
def test_none_is_forgotten(family: str):
    text = "\n".join(toml for _, toml in ROWS)
    of_a_system = {"drift"}  # ProGAN's; its recipes have it
    assert {kind for kind in catalogue().family(family) if f'"{kind}"' not in text} <= of_a_system


def test_heads_are_there():
    heads = {kind for kind, cls in catalogue().family("discriminators").items() if "network" in cls.model_fields}
    assert heads >= {"minibatch-discrimination", "minibatch-stddev", "projection"}
    assert not [kind for kind in heads if f'kind = "{kind}"' not in PAGE]
