"""Where sharing out a batch cuts through a discriminator's groups, a person is told so."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from accelerate import Accelerator
from support.toys import ToySource, gan_table, recipe_of

from ganforge.api.data import DataSpec
from ganforge.tracking import NoTracker
from ganforge.training.assemble import assemble


class Heard:
    def __init__(self) -> None:
        self.said: list[str] = []

    def progress(self, images: int) -> None:
        pass

    def values(self, images: int, values: Mapping[str, float]) -> None:
        pass

    def say(self, text: str) -> None:
        self.said.append(text)


@pytest.mark.parametrize(("batch", "microbatches", "told"), [(4, 2, True), (8, 2, False), (4, 1, False)])
def test_split_groups_are_told(tmp_path: Path, batch: int, microbatches: int, told: bool):
    small = {"kind": "stylegan2", "channel_base": 32, "channel_max": 4}
    said = said_about(gan_table(discriminator__network=small), batch, microbatches, tmp_path)
    assert [("groups of 4" in text, "run.batch=8" in text) for text in said] == [(True, True)] * told


@pytest.mark.parametrize(
    ("kind", "microbatches", "told"), [("unrolled", 2, True), ("unrolled", 1, False), ("gan", 2, False)]
)
def test_games_that_look_at_whole_batches_say_so(tmp_path: Path, kind: str, microbatches: int, told: bool):
    said = said_about({**gan_table(), "kind": kind}, 8, microbatches, tmp_path)
    assert ["one is 4 of 8" in text for text in said] == [True] * told


def said_about(game: Mapping[str, Any], batch: int, microbatches: int, folder: Path) -> list[str]:
    recipe = recipe_of(game, run__batch=batch, run__microbatches=microbatches)
    heard, spec = Heard(), DataSpec((1, 8, 8))
    assemble(
        recipe,
        Accelerator(cpu=True),
        ToySource(spec),
        folder=folder,
        cache=folder,
        tracker=NoTracker(),
        reporter=heard,
    )
    return heard.said
