"""Sums over processes in the middle of a forward, that gradients flow through, also twice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn


class _Sum(torch.autograd.Function):
    """The sum over processes. What moves one summand moves every process's sum, so its gradient is a sum as well."""

    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:
        total = value.clone(memory_format=torch.contiguous_format)
        torch.distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> Tensor:
        return _sum(slope)


def _sum(value: Tensor) -> Tensor:
    total: Tensor = _Sum.apply(value)
    return total


class Collective(nn.Module):
    """A place in a game where all processes that share a batch must be asked, without parameters.

    For what is no mean over samples: statistics of a whole batch, the square of a mean gradient. The runner opens it
    during a turn and closes it afterwards; closed, a process is by itself and everything is left as it is. Gradients
    are those of the mean of all processes' losses once the runner has averaged them. All processes must ask alike.
    """

    def __init__(self) -> None:
        super().__init__()
        self.world_size, self.rank = 1, 0

    def mean(self, values: Sequence[Tensor]) -> list[Tensor]:
        """Return the mean of each tensor over processes, in one reduction; tensors are of one type and device."""
        if self.world_size == 1:
            return list(values)
        flat = _sum(torch.cat([value.reshape(-1) for value in values])) / self.world_size
        parts = torch.split(flat, [value.numel() for value in values])
        return [part.view(value.shape) for part, value in zip(parts, values, strict=True)]

    def gather(self, value: Tensor) -> Tensor:
        """Return the tensors of all processes, which are of one shape, in their order: [processes, *shape]."""
        if self.world_size == 1:
            return value[None]
        before, after = self.rank, self.world_size - 1 - self.rank
        return _sum(
            torch.cat([value.new_zeros(before, *value.shape), value[None], value.new_zeros(after, *value.shape)])
        )


def all_collectives(module: nn.Module) -> list[Collective]:
    """Return every such place below `module`."""
    return [child for child in module.modules() if isinstance(child, Collective)]


@contextmanager
def collectives_open(places: Sequence[Collective], world_size: int, rank: int) -> Iterator[None]:
    """Open places for a while."""
    try:
        for place in places:
            place.world_size, place.rank = world_size, rank
        yield
    finally:
        for place in places:
            place.world_size, place.rank = 1, 0
