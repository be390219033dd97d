"""Where sharing out a batch cuts through a discriminator's groups, a person is told so."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from accelerate import Accelerator
from support import ToySource, gan_table, recipe_of

from ganforge.assemble import assemble
from ganforge.data import DataSpec
from ganforge.tracking import NoTracker


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
    recipe = recipe_of(gan_table(discriminator__network=small), run__batch=batch, run__microbatches=microbatches)
    heard, spec = Heard(), DataSpec((1, 8, 8))
    assemble(
        recipe,
        Accelerator(cpu=True),
        ToySource(spec),
        folder=tmp_path,
        cache=tmp_path,
        tracker=NoTracker(),
        show=heard,
    )
    assert [("groups of 4" in text, "run.batch=8" in text) for text in heard.said] == [(True, True)] * told
