"""Metrics after the fact: who of several processes looks at what, and who has the values."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from support.examinations import ArraySource, DiceGame, noise
from torch import Tensor

from ganforge.api.metric import ExaminedBatch
from ganforge.builtin.metrics.pixel_variance import PixelVariance
from ganforge.distributed.world import World
from ganforge.evaluation.batch import FeatureNetworks
from ganforge.evaluation.evaluate import evaluate
from ganforge.evaluation.subject import GameSubject


class OneOfTwo(World):
    """A process of two, to which the other one, that is not there, always agrees."""

    def __init__(self, index: int) -> None:
        super().__init__()
        self.world_size, self.rank = 2, index

    def gather(self, rows: Tensor) -> Tensor:
        return torch.cat([rows, rows]).cpu()

    def broadcast(self, answer: bool) -> bool:
        return answer if self.main else True


@pytest.mark.parametrize("index", [0, 1])
def test_each_of_two_processes_looks_at_its_half_and_the_main_one_has_the_values(tmp_path: Path, index: int) -> None:
    source = ArraySource(noise(80, 1, 4, 4))
    networks, game = FeatureNetworks(torch.device("cpu")), DiceGame((1, 4, 4))
    starts: list[int] = []

    class Watched(GameSubject):
        def batch(self, start: int, rows: int) -> ExaminedBatch:
            starts.append(start)
            return super().batch(start, rows)

    found = evaluate(
        lambda seed: Watched(game, source.spec, networks, seed),
        source,
        (PixelVariance(samples=256),),
        (0,),
        networks,
        tmp_path,
        world=OneOfTwo(index),
    )
    tried, *looked = starts
    assert tried == 0, "every process sees that the metric can be had"
    assert looked == [64 * index, 128 + 64 * index]
    assert [value.name for value in found] == (["pixel-variance", "pixel-variance-of-real"] if index == 0 else [])
