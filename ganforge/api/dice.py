"""Random numbers that depend on the seed, the purpose, the place in the run and the sample, and on nothing else."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

BLOCK = 32  # samples drawn at a time: a process draws at most the blocks that its rows touch


def derive_seed(*parts: object) -> int:
    """Return a 63-bit seed that is a pure function of `parts`, the same on every machine."""
    text = "\x1f".join(str(part) for part in parts)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


@dataclass(frozen=True)
class Roll:
    """Where in the run, and for which rows of the global batch, numbers are drawn."""

    seed: int
    purpose: str
    position: int = 0  # images shown before this round
    start: int = 0  # first row of the global batch that is drawn here
    rows: int = 1  # how many rows are drawn here
    total: int = 1  # rows of the global batch, over all processes and micro-batches


class Dice(nn.Module):
    """A source of random numbers inside a network, game, augmentation or term.

    Whoever plays the game rolls all dice of its module tree with one `Roll`; after that each draw is a pure function
    of the roll, of the dice's path in the game and of how many draws it made since. A sample gets the same
    numbers whether its batch is split over processes and micro-batches or not.
    """

    anchor: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("anchor", torch.empty(0), persistent=False)  # only to know the device
        self.path = ""
        self.calls = 0
        self.last: Roll | None = None

    def set_roll(self, path: str, roll: Roll) -> None:
        """Start a new series of draws; `path` is this dice's name in the game."""
        self.path, self.last, self.calls = path, roll, 0

    def normal(self, rows: int, *shape: int) -> Tensor:
        """Return standard normal numbers [rows, *shape]."""
        return self._draw(torch.randn, rows, shape)

    def uniform(self, rows: int, *shape: int) -> Tensor:
        """Return numbers [rows, *shape] uniform in [0, 1)."""
        return self._draw(torch.rand, rows, shape)

    def integers(self, high: int, rows: int, *shape: int) -> Tensor:
        """Return integers [rows, *shape] uniform in [0, high)."""
        return (self.uniform(rows, *shape) * high).long().clamp_(max=high - 1)

    def row_numbers(self, rows: int) -> Tensor:
        """Return which samples are drawn here, counted over all processes and micro-batches: integers [rows]."""
        roll = self._roll()
        assert rows == roll.rows, f"{rows} rows asked of dice rolled for {roll.rows}"
        return torch.arange(roll.start, roll.start + rows, device=self.anchor.device)

    def _draw(self, sampler: Callable[..., Tensor], rows: int, shape: tuple[int, ...]) -> Tensor:
        roll = self._roll()
        if rows > roll.rows:  # several batches in one, as real and generated images in one forward
            assert rows % roll.rows == 0, f"{rows} rows asked of dice rolled for {roll.rows}"
            return torch.cat([self._draw(sampler, roll.rows, shape) for _ in range(rows // roll.rows)])
        assert roll.rows % rows == 0, f"{rows} rows asked of dice rolled for {roll.rows}"
        shrink = roll.rows // rows
        start, total = roll.start // shrink, max(roll.total // shrink, rows)
        self.calls += 1
        block = min(BLOCK, total)
        first, last = start // block, (start + rows - 1) // block
        drawn: list[Tensor] = []
        for index in range(first, last + 1):
            seed = derive_seed(roll.seed, roll.purpose, self.path, roll.position, self.calls, index)
            generator = torch.Generator(self.anchor.device).manual_seed(seed)
            drawn.append(sampler((block, *shape), generator=generator, device=self.anchor.device))
        offset = start - first * block
        whole = drawn[0] if len(drawn) == 1 else torch.cat(drawn)
        return whole[offset : offset + rows]

    def _roll(self) -> Roll:
        if self.last is None:
            raise RuntimeError("dice were read before `roll_dice(game, Roll(...))`; outside a run, roll them first")
        return self.last


def all_dice(module: nn.Module) -> list[tuple[str, Dice]]:
    """Return every dice below `module` with its path."""
    return [(path, child) for path, child in module.named_modules() if isinstance(child, Dice)]


def roll_dice(module: nn.Module, roll: Roll) -> None:
    """Roll every dice below `module`: the next draws are a function of `roll` alone."""
    for path, dice in all_dice(module):
        dice.set_roll(path, roll)
