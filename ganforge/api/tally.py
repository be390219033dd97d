"""A mean over everything that was seen, on every process: what adaptive parts of a game steer by."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class Tally(nn.Module):
    """Sum and count of observations, made equal over processes and micro-batches by the runner.

    `add` notes values locally. After every turn the runner adds up what all processes noted (in the same reduction
    as the gradients). `take` then gives the mean since it was last taken, the same on every process.

    Args:
        shape: of one observation; none = numbers.
        lasting: what was settled is saved; without it, for what is taken anew in every round.
    """

    pending: Tensor
    settled: Tensor

    def __init__(self, *shape: int, lasting: bool = True) -> None:
        super().__init__()
        self.shape = shape
        size = math.prod(shape) + 1
        self.register_buffer("pending", torch.zeros(size), persistent=False)  # [*sum, count]: this turn, this process
        # [*sum, count] since the last take, all processes:
        self.register_buffer("settled", torch.zeros(size), persistent=lasting)

    @torch.no_grad()
    def add(self, values: Tensor) -> None:
        """Note `values` [..., *shape]; they are detached."""
        rows = values.detach().float().reshape(-1, self.pending.numel() - 1)
        self.pending += torch.cat([rows.sum(0), rows.new_tensor([float(len(rows))])])

    @torch.no_grad()
    def settle(self, reduced: Tensor) -> None:
        """Take in what all processes noted in this turn, of the form of `pending`. Called by the runner."""
        self.settled += reduced
        self.pending.zero_()

    @property
    def count(self) -> Tensor:
        """How many observations were settled since the last take, []."""
        return self.settled[-1]

    @property
    def mean(self) -> Tensor:
        """The mean [*shape] of what was settled since the last take; 0 where nothing was."""
        return (self.settled[:-1] / self.count.clamp(min=1.0)).reshape(self.shape)

    @torch.no_grad()
    def take(self) -> Tensor:
        """Return the mean [*shape] and start anew."""
        mean = self.mean.clone()
        self.settled.zero_()
        return mean


def all_tallies(module: nn.Module) -> list[Tally]:
    """Return every tally below `module`."""
    return [child for child in module.modules() if isinstance(child, Tally)]
