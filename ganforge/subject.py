"""What is examined: a game that draws samples, or a data set that has them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor, nn

from ganforge.data import Batch, DataSpec, Source, to_float, to_uint8
from ganforge.dice import BLOCK, Dice, Roll, roll_dice
from ganforge.errors import DataError, GanforgeError
from ganforge.game import Game
from ganforge.metric import Built, FeatureNetwork, Receipt, Seen
from ganforge.network import Draw
from ganforge.sampler import Sampler

ORDER = 0  # seed of the fixed shuffle of real samples: the same for every run, so that runs share statistics
DRAW = "exam"  # what dice are rolled for
TOTAL = BLOCK * 2**40  # rows that dice are rolled for: a sample's numbers do not depend on how many are drawn


class Networks:
    """Feature networks, each built once and kept on the device.

    Args:
        device: to look on.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._built: dict[Built, FeatureNetwork] = {}

    def of(self, features: Built) -> FeatureNetwork:
        """Return the network of a component; a `GanforgeError` where its weights cannot be had."""
        if features not in self._built:
            self._built[features] = features.build().to(self.device).eval().requires_grad_(False)
        return self._built[features]

    def receipt(self, features: Built) -> Receipt:
        """Say by which network features are told."""
        network = self.of(features)
        return {"features": network.name, "weights-sha256": network.weights_sha256, "resizer": network.resizer}


class SeenBatch(Seen):
    """A batch that makes what it is asked for, once.

    Args:
        roll: of whatever is drawn at random.
        networks: that look at it.
        samples: makes the samples.
        labels: makes their labels.
        draw: makes what they are made of, for a purpose.
    """

    def __init__(
        self,
        roll: Roll,
        networks: Networks,
        samples: Callable[[], Tensor],
        labels: Callable[[], Tensor | None],
        draw: Callable[[str], Draw],
    ) -> None:
        self._roll, self._networks = roll, networks
        self._make_samples, self._make_labels, self._make_draw = samples, labels, draw
        self._told: dict[Built, Mapping[str, Tensor]] = {}

    @cached_property
    def samples(self) -> Tensor:
        """The samples as they would be saved."""
        return self._make_samples()

    @cached_property
    def labels(self) -> Tensor | None:
        """Their labels, [B] or [B, K]; None where there are none."""
        return self._make_labels()

    @cached_property
    def draw(self) -> Draw:
        """What generated samples are made of."""
        return self._make_draw(DRAW)

    def draw_again(self, purpose: str) -> Draw:
        """Return another, independent draw of the same size."""
        return self._make_draw(f"{DRAW}/{purpose}")

    def dice(self, purpose: str) -> Dice:
        """Return dice that give each sample its own numbers, whatever batch it is in."""
        dice = Dice().to(self._networks.device)
        dice.set_roll(f"exam/{purpose}", self._roll)
        return dice

    def told(self, features: Built) -> Mapping[str, Tensor]:
        """Return what a feature network tells of the samples, which must be images of 1 or 3 channels."""
        if features not in self._told:
            images = self.samples
            if images.dim() != 4 or images.shape[1] not in (1, 3):
                raise DataError(
                    f"features compare images of 1 or 3 channels, and these are of shape {list(images.shape[1:])}; "
                    "choose a metric that takes any shape (such as pixel-variance)"
                )
            self._told[features] = self._networks.of(features)(images.expand(-1, 3, -1, -1))
        return self._told[features]

    def network(self, features: Built) -> FeatureNetwork:
        """Return a feature network."""
        return self._networks.of(features)


class Subject(ABC):
    """Whose samples are examined."""

    most: int | None = None  # how many there are; None = as many as one likes

    @abstractmethod
    def see(self, start: int, rows: int) -> Seen:
        """Return the batch of samples `start` to `start + rows - 1`."""

    @abstractmethod
    def receipt(self) -> Receipt:
        """Say how the samples come about."""

    def asked(self) -> AbstractContextManager[None]:
        """Be ready to be looked at, for a while."""
        return nullcontext()


class GameSubject(Subject):
    """Samples that a game draws.

    Args:
        game: averaged weights are swapped in by the caller.
        spec: of its data.
        networks: that look at it.
        seed: of the latents and whatever else is drawn at random.
        truncation: in (0, 1]; see `Game.sample`.
        ema: whether averaged weights are swapped in, for the receipt.
    """

    def __init__(
        self, game: Game, spec: DataSpec, networks: Networks, seed: int, *, truncation: float = 1.0, ema: bool = False
    ) -> None:
        self.game, self.spec, self.networks, self.seed = game, spec, networks, seed
        self.truncation, self.ema = truncation, ema

    def see(self, start: int, rows: int) -> Seen:
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

        return SeenBatch(roll, self.networks, samples, lambda: draw(DRAW).labels, draw)

    def asked(self) -> AbstractContextManager[None]:
        """Put the game in evaluation mode for a while."""
        return evaluating(self.game)

    def classify(self, samples: Tensor) -> Tensor:
        """Return logits [B, classes] of samples as they would be saved; a `GanforgeError` without a classifier."""
        with evaluating(self.game), torch.no_grad():
            roll_dice(self.game, Roll(self.seed, DRAW, rows=len(samples), total=len(samples)))
            return self.game.classify(to_float(samples.to(self.networks.device))).float()

    def receipt(self) -> Receipt:
        """Say how the samples come about."""
        return {"truncation": self.truncation, "ema": self.ema}


def real_order(source: Source, order: int = ORDER) -> np.ndarray:
    """Return the indices of real samples in the one fixed, shuffled order that they are looked at in.

    Args:
        source: the samples.
        order: seed of the shuffle; only samples that are examined themselves, as generated ones are, have another.
    """
    return Sampler(order, len(source)).permutation(0)


class SourceSubject(Subject):
    """Samples of a data set, in one fixed, shuffled order.

    Args:
        source: the data.
        networks: that look at it.
        seed: of whatever views draw at random.
        order: see `real_order`.
    """

    def __init__(self, source: Source, networks: Networks, seed: int, order: int = ORDER) -> None:
        self.source, self.networks, self.seed, self.most = source, networks, seed, len(source)
        self._order = real_order(source, order)

    def see(self, start: int, rows: int) -> Seen:
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

        return SeenBatch(
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
def evaluating(module: nn.Module) -> Iterator[None]:
    """Put every module below `module` in evaluation mode, and give each back the mode that it had."""
    modes = [(child, child.training) for child in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for child, mode in modes:
            child.training = mode
