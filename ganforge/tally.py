"""A mean over everything that was seen, on every process: what adaptive parts of a game steer by."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Tally(nn.Module):
    """Sum and count of observations, made equal over processes and micro-batches by the runner.

    `add` notes values locally. After every turn the runner adds up what all processes noted (in the same reduction
    as the gradients). `take` then gives the mean since it was last taken, the same on every process.
    """

    pending: Tensor
    settled: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("pending", torch.zeros(2), persistent=False)  # [sum, count] of this turn, this process
        self.register_buffer("settled", torch.zeros(2))  # [sum, count] since the last take, all processes

    @torch.no_grad()
    def add(self, values: Tensor) -> None:
        """Note `values` of any shape; they are detached."""
        values = values.detach().float()
        self.pending += torch.stack([values.sum(), values.new_tensor(float(values.numel()))])

    @torch.no_grad()
    def settle(self, reduced: Tensor) -> None:
        """Take in what all processes noted in this turn: `reduced` [2]. Called by the runner."""
        self.settled += reduced
        self.pending.zero_()

    @property
    def mean(self) -> Tensor:
        """The mean of what was settled since the last take; 0 where nothing was."""
        return self.settled[0] / self.settled[1].clamp(min=1.0)

    @torch.no_grad()
    def take(self) -> Tensor:
        """Return the mean [] and start anew."""
        mean = self.mean.clone()
        self.settled.zero_()
        return mean


def all_tallies(module: nn.Module) -> list[Tally]:
    """Return every tally below `module`."""
    return [child for child in module.modules() if isinstance(child, Tally)]
