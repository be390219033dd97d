"""Subject of an examination: a game that draws samples, or a data set that has them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from ganforge.api.data import Batch, DataSpec, Source, to_float, to_uint8
from ganforge.api.dice import BLOCK, Roll, roll_dice
from ganforge.api.game import Game
from ganforge.api.metric import ExaminedBatch, Receipt
from ganforge.api.network import Draw
from ganforge.api.sampler import Sampler
from ganforge.errors import GanforgeError
from ganforge.evaluation.batch import DRAW, FeatureNetworks, LazyExaminedBatch

ORDER = 0  # seed of the fixed shuffle of real samples: the same for every run, so that runs share statistics
TOTAL = BLOCK * 2**40  # rows that dice are rolled for: a sample's numbers do not depend on how many are drawn


class Subject(ABC):
    """Whose samples are examined."""

    most: int | None = None  # how many there are; None = as many as one likes

    @abstractmethod
    def batch(self, start: int, rows: int) -> ExaminedBatch:
        """Return the batch of samples `start` to `start + rows - 1`."""

    @abstractmethod
    def receipt(self) -> Receipt:
        """Say how the samples come about."""

    def examining(self) -> AbstractContextManager[None]:
        """Be ready to be looked at, for a while."""
        return nullcontext()


class GameSubject(Subject):
    """Samples that a game draws.

    Args:
        game: averaged weights are swapped in by the caller.
        seed: of the latents and whatever else is drawn at random.
        truncation: in (0, 1]; see `Game.sample`.
        ema: whether averaged weights are swapped in, for the receipt.
    """

    def __init__(
        self,
        game: Game,
        spec: DataSpec,
        networks: FeatureNetworks,
        seed: int,
        *,
        truncation: float = 1.0,
        ema: bool = False,
    ) -> None:
        self.game, self.spec, self.networks, self.seed = game, spec, networks, seed
        self.truncation, self.ema = truncation, ema

    def batch(self, start: int, rows: int) -> ExaminedBatch:
        """Return a batch; samples that are NaN or infinite are a `GanforgeError` when they are asked for."""
        roll = Roll(self.seed, DRAW, start=start, rows=rows, total=TOTAL)

        def draw(purpose: str) -> Draw:
            roll_dice(self.game, replace(roll, purpose=purpose))
            return self.game.draw(rows)

        def samples() -> Tensor:
            roll_dice(self.game, roll)
            found = self.game.sample(rows, None, self.truncation).float()
            if not bool(torch.isfinite(found).all()):
                raise GanforgeError(
                    f"generated samples {start} to {start + rows - 1} hold NaN or infinity, so that no metric of them "
                    "means anything; sample an earlier checkpoint, or train with a lower learning rate"
                )
            return to_uint8(found) if len(self.spec.shape) == 3 else found

        return LazyExaminedBatch(roll, self.networks, samples, lambda: draw(DRAW).labels, draw)

    def examining(self) -> AbstractContextManager[None]:
        """Put the game in evaluation mode for a while."""
        return evaluation_mode(self.game)

    def classify(self, samples: Tensor) -> Tensor:
        """Return logits [B, classes] of samples as they would be saved; a `GanforgeError` without a classifier."""
        with evaluation_mode(self.game), torch.no_grad():
            roll_dice(self.game, Roll(self.seed, DRAW, rows=len(samples), total=len(samples)))
            return self.game.classify(to_float(samples.to(self.networks.device))).float()

    def receipt(self) -> Receipt:
        """Say how the samples come about."""
        return {"truncation": self.truncation, "ema": self.ema}


def real_order(source: Source, order: int = ORDER) -> np.ndarray:
    """Return the indices of real samples in the one fixed, shuffled order that they are looked at in.

    Only samples that are examined themselves, as generated ones are, have another seed of the shuffle, `order`.
    """
    return Sampler(order, len(source)).permutation(0)


class SourceSubject(Subject):
    """Samples of a data set, in one fixed, shuffled order.

    Args:
        seed: of whatever views draw at random.
        order: see `real_order`.
    """

    def __init__(self, source: Source, networks: FeatureNetworks, seed: int, order: int = ORDER) -> None:
        self.source, self.networks, self.seed, self.most = source, networks, seed, len(source)
        self._order = real_order(source, order)

    def batch(self, start: int, rows: int) -> ExaminedBatch:
        """Return a batch; past the end it begins anew."""
        places = np.arange(start, start + rows) % len(self.source)
        roll = Roll(self.seed, DRAW, start=start, rows=rows, total=TOTAL)
        kept: list[Batch] = []

        def batch() -> Batch:
            if not kept:
                kept.append(self.source.batch(self._order[places]))
            return kept[0]

        def draw(purpose: str) -> Draw:
            raise GanforgeError("this metric asks a generator about its latents, and these samples come from none")

        return LazyExaminedBatch(
            roll,
            self.networks,
            lambda: batch()["image"].to(self.networks.device),
            lambda: batch().get("label"),
            draw,
        )

    def receipt(self) -> Receipt:
        """Say where the samples come from."""
        return {"samples-of": self.source.fingerprint}


@contextmanager
def evaluation_mode(module: nn.Module) -> Iterator[None]:
    """Put every module below `module` in evaluation mode, and give each back the mode that it had."""
    modes = [(child, child.training) for child in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for child, mode in modes:
            child.training = mode
