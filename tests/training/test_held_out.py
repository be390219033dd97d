"""Held-out samples are named in the recipe, and what does not fit is said with its key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from accelerate import Accelerator
from support.installed import catalogue
from support.toys import gan_table, recipe_of

from ganforge.errors import RecipeError
from ganforge.recipes.recipe import Recipe, parse_recipe
from ganforge.recipes.toml_writer import recipe_to_toml
from ganforge.tracking import RunFolder, read_lines
from ganforge.training.assemble import assemble
from ganforge.training.loop import play_session
from ganforge.training.reporter import SilentReporter
from ganforge.training.session import Session

RING = {"kind": "ring", "modes": 8}


def session_of(folder: Path, data: Any, held_out: Any) -> tuple[Session, Any]:
    recipe = recipe_of(gan_table(), data=data, diagnosis={"held_out": held_out, "samples": 16}, run__images=64)
    return assemble(
        recipe,
        Accelerator(cpu=True),
        recipe.data.open(folder),
        folder=folder,
        cache=folder,
        tracker=RunFolder(folder),
        reporter=SilentReporter(),
    )


def test_it_is_measured(tmp_path: Path):
    train_part, other = ({"kind": "digits", "resolution": 8, "part": part} for part in ("train", "test"))
    session, callbacks = session_of(tmp_path, train_part, other)
    for player in session.runner.players.values():
        player.step = lambda *_: None
    session.runner.game.discriminator.requires_grad_(False)
    play_session(session, callbacks, lambda: False)
    lines = read_lines(tmp_path / "metrics.jsonl")[1:]
    assert all(abs(line["values"].get("discriminator/overfit", 0.0)) < 100 for line in lines)


@pytest.mark.parametrize(
    ("held_out", "message"),
    [
        ({"kind": "digits", "resolution": 16}, r"diagnosis\.held_out: its samples are \[1, 16, 16\]"),
        ({"kind": "digits", "resolution": 8}, r"diagnosis\.held_out: these are the very samples"),
    ],
)
def test_what_does_not_fit(tmp_path: Path, held_out: Any, message: str):
    with pytest.raises(RecipeError, match=message):
        session_of(tmp_path, {"kind": "digits", "resolution": 8}, held_out)


def test_the_table_reads_back():
    recipe = recipe_of(diagnosis={"held_out": {"kind": "digits", "resolution": 8}, "ignore": ["mode-collapse"]})
    text = recipe_to_toml(recipe)
    assert "[diagnosis.held_out]" in text
    again: Recipe = parse_recipe(text, "again", catalogue())
    assert again == recipe


def test_a_kind_that_is_not_there_is_named_with_its_place():
    text = recipe_to_toml(recipe_of()) + '\n[diagnosis.held_out]\nkind = "digitz"\n'
    with pytest.raises(
        RecipeError, match=r"diagnosis\.held_out\.kind: unknown kind 'digitz' of data set; did you mean"
    ):
        parse_recipe(text, "recipe", catalogue())
