"""Distances between many vectors, a part of them at a time."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

PORTION = 2**24  # distances held at a time: 128 MiB


def distance_blocks(of: Tensor, to: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """Yield Euclidean distances [b, M] in float64, with the rows that they are of.

    They are computed from products about the mean of `to`, where no digits are lost.

    Args:
        of: [N, D].
        to: [M, D], on the same device.
    """
    centre = to.mean(0, dtype=torch.float64)
    there = to.double() - centre
    squares = there.square().sum(1)
    rows = max(1, PORTION // max(len(to), 1))
    for start in range(0, len(of), rows):
        part = slice(start, min(start + rows, len(of)))
        here = of[part].double() - centre
        found = torch.addmm(squares, here, there.T, alpha=-2).add_(here.square().sum(1, keepdim=True))
        yield part, found.clamp_(min=0).sqrt_()


def nearest(of: Tensor, to: Tensor, count: int = 1) -> tuple[Tensor, Tensor]:
    """Return distances [N, count] to the nearest vectors, ascending, in float64, and which these are."""
    far, places = [], []
    for _, part in distance_blocks(of, to):
        least = part.topk(count, dim=1, largest=False)
        far.append(least.values)
        places.append(least.indices)
    return torch.cat(far), torch.cat(places)


def nearest_others(vectors: Tensor, count: int = 1, first: int | None = None) -> tuple[Tensor, Tensor]:
    """Return, for each vector, distances [N, count] to the nearest others, ascending, and which these are.

    Args:
        vectors: [N, D].
        count: neighbours, at most N - 1.
        first: only for so many of them.
    """
    far, places = [], []
    for part, some in distance_blocks(vectors[:first], vectors):
        rows = torch.arange(len(some), device=some.device)
        some[rows, rows + part.start] = torch.inf
        least = some.topk(count, dim=1, largest=False)
        far.append(least.values)
        places.append(least.indices)
    return torch.cat(far), torch.cat(places)


def mirrored(images: Tensor, others: Tensor) -> Tensor:
    """Return which samples [N, *shape] are exactly the others flipped left to right, [N]: twins in mirrored data."""
    return (images == others.flip(-1)).flatten(1).all(1)
