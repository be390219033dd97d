"""A pool of generated samples of the past."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor

from ganforge.api import (
    Augmentation,
    AugmentationNetwork,
    Clock,
    DataError,
    DataSpec,
    Dice,
    RecipeError,
    Roll,
    Tally,
    derive_seed,
)
from ganforge.builtin.augmentations.parts.adaptive_augmentation import Probability
from ganforge.builtin.augmentations.parts.host_cached_buffer import HostCachedBuffer


class Replay(Augmentation):
    """The discriminator also sees generated samples of the past (Shrivastava et al. 2017, arXiv:1612.07828, sec. 2.3).

    In its main turn each generated sample is replaced, with `probability`, by one of its class from a pool. After
    each round `fresh` new ones enter the pool, in random places once it is full. All processes have the same pool; it
    is part of the checkpoint.
    """

    kind: Literal["replay"] = "replay"
    slots: int = Field(default=256, ge=1, le=65_536, description="samples in the pool")
    fresh: int = Field(default=16, ge=1, le=65_536, description="samples that enter it each round, of those there are")
    probability: Probability = Field(
        default=0.5, description="probability that a generated sample comes from the pool, constant or a ramp"
    )

    @model_validator(mode="after")
    def _check(self) -> Replay:
        if self.fresh > self.slots:
            raise ValueError(f"{self.fresh} fresh samples do not fit into {self.slots} slots; expected fresh <= slots")
        return self

    def build(self, data: DataSpec) -> AugmentationNetwork:
        """Make the module for samples of any shape; a `DataError` where conditions are continuous."""
        if data.conditions:
            raise DataError(
                "replay exchanges samples of one class, and these data have continuous conditions, which are never the "
                "same twice; leave it out, or choose data with classes or without labels"
            )
        return ReplayNetwork(self, data)


class RowTally(Tally):
    """Rows that different processes and micro-batches note at different places; `count` is how many."""

    def note(self, rows: Tensor, start: int) -> None:
        """Note rows [N, size] at the places from `start` on."""
        size = rows[0].numel()
        self.pending[start * size : (start + len(rows)) * size] += rows.detach().float().flatten()
        self.pending[-1] += len(rows)

    def take_rows(self) -> Tensor:
        """Return what was settled, [places, size], and start anew."""
        rows = self.settled[:-1].view(self.shape).clone()
        self.take()
        return rows


class ReplayNetwork(AugmentationNetwork):
    """Keeps the pool, and leaves samples as they are.

    What enters the pool are the first `fresh` rows of the global batch. Each process and micro-batch notes those that
    it has at their places in a sum over all of them, which is taken in at the discriminator's next turn.
    """

    exchanges = True
    pool: Tensor
    classes: Tensor

    def __init__(self, recipe: Replay, data: DataSpec) -> None:
        super().__init__()
        self.recipe, self.dice, self.clock = recipe, Dice(), Clock()
        self.register_buffer("pool", torch.zeros(recipe.slots, *data.shape))
        self.register_buffer("classes", torch.zeros(recipe.slots, dtype=torch.int64))  # -1: unknown; 0 without labels
        self.held = HostCachedBuffer(torch.zeros([], dtype=torch.int64))  # slots that are taken, the first ones
        self.noted = RowTally(recipe.fresh, data.size + 1)  # a sample and its class

    def forward(self, samples: Tensor) -> Tensor:
        """Return the samples themselves."""
        return samples

    def exchange(self, real: Tensor, fake: Tensor, labels: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return the real samples, and generated ones [B, *shape], some of them from the pool."""
        roll = self.dice.last
        assert roll is not None
        if fake.shape[1:] != self.pool.shape[1:]:
            raise RecipeError(
                f"game.discriminator.augmentations.replay: its pool is of samples {list(self.pool.shape[1:])}, and the "
                f"generator's are now {list(fake.shape[1:])}; leave it out of games whose samples grow"
            )
        if self.noted.count > 0:
            self._admit(roll)
        classes = torch.zeros(len(fake), dtype=torch.int64, device=fake.device) if labels is None else labels
        self._note_rows(fake, classes, roll)
        probability, held = self.clock.value(self.recipe.probability), int(self.held.values[0])
        old = self.dice.uniform(len(fake)) < probability
        scores = self.dice.uniform(len(fake), self.recipe.slots)[:, :held]
        if held == 0:
            return real, fake
        scores = scores.masked_fill(self.classes[:held] != classes[:, None], -1.0)  # one of the class, evenly
        best, slots = scores.max(1)
        taken = (old & (best >= 0)).view(-1, *[1] * (fake.ndim - 1))
        return real, torch.where(taken, self.pool[slots].to(fake.dtype), fake)

    def _note_rows(self, fake: Tensor, classes: Tensor, roll: Roll) -> None:
        start = roll.start // (roll.rows // len(fake))
        count = min(self.recipe.fresh - start, len(fake))
        if count > 0:
            self.noted.note(torch.cat([fake[:count].flatten(1).float(), classes[:count, None].float()], 1), start)

    def _admit(self, roll: Roll) -> None:
        """Put what was noted in the last turn into free slots first, and the rest into slots drawn for this round."""
        count, held = int(self.noted.count), int(self.held.values[0])
        noted = self.noted.take_rows()
        free = min(count, self.recipe.slots - held)
        seed = derive_seed(roll.seed, self.dice.path, roll.position, "slots")
        drawn = torch.randperm(self.recipe.slots, generator=torch.Generator().manual_seed(seed))[: count - free]
        for slots, rows in (
            (torch.arange(held, held + free), noted[:free]),
            (drawn, noted[free:count]),
        ):
            slots = slots.to(self.pool.device)
            self.pool[slots] = rows[:, :-1].reshape(-1, *self.pool.shape[1:])
            self.classes[slots] = rows[:, -1].long()
        self.held.write(torch.tensor(held + free))
