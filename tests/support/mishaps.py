"""What goes wrong in one process of a run: prepared in it before it begins."""

from __future__ import annotations

import os

import torch

from ganforge.builtin.metrics.pixel_variance import PixelVariance
from ganforge.errors import DataError
from ganforge.training.runner import Runner


def metric_breaks() -> None:
    """A metric cannot be measured: only the main process measures, the other waits for its values."""

    def measure(self: PixelVariance, exam: object) -> None:
        raise DataError("there is nothing to be measured")

    PixelVariance.measure = measure  # type: ignore[method-assign,assignment]


def round_breaks(rank: int) -> None:
    """One process makes a mistake at the third round, while others wait for its gradients."""
    play = Runner.play_round

    def play_round(self: Runner, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        if os.environ["RANK"] == str(rank) and self.round == 3:
            raise ZeroDivisionError("one is not none")
        return play(self, batch)

    Runner.play_round = play_round  # type: ignore[method-assign]


def weight_strays(rank: int) -> None:
    """One process has another weight than all others from the third round on, by one bit."""
    play = Runner.play_round

    def play_round(self: Runner, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        report = play(self, batch)
        if os.environ["RANK"] == str(rank) and self.round == 3:
            with torch.no_grad():
                weight = next(self.game.generator.parameters()).view(-1)
                weight[0] = torch.nextafter(weight[0], weight[0] + 1)
        return report

    Runner.play_round = play_round  # type: ignore[method-assign]
