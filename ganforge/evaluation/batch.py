"""Samples as metrics see them: each thing that is asked of a batch is made once, by networks that are built once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property

import torch
from torch import Tensor

from ganforge.api.dice import Dice, Roll
from ganforge.api.metric import ExaminedBatch, FeatureBuilder, FeatureNetwork, Receipt
from ganforge.api.network import Draw
from ganforge.errors import DataError

DRAW = "exam"  # what dice are rolled for


class FeatureNetworks:
    """Feature networks, each built once and kept on the device."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._built: dict[FeatureBuilder, FeatureNetwork] = {}

    def of(self, features: FeatureBuilder) -> FeatureNetwork:
        """Return the network of a component; a `GanforgeError` where its weights cannot be had."""
        if features not in self._built:
            self._built[features] = features.build().to(self.device).eval().requires_grad_(False)
        return self._built[features]

    def receipt(self, features: FeatureBuilder) -> Receipt:
        """Say by which network features are told."""
        network = self.of(features)
        return {"features": network.name, "weights-sha256": network.weights_sha256, "resizer": network.resizer}


class LazyExaminedBatch(ExaminedBatch):
    """A batch that makes what it is asked for, once.

    Args:
        roll: of whatever is drawn at random.
        draw: makes what they are made of, for a purpose.
    """

    def __init__(
        self,
        roll: Roll,
        networks: FeatureNetworks,
        samples: Callable[[], Tensor],
        labels: Callable[[], Tensor | None],
        draw: Callable[[str], Draw],
    ) -> None:
        self._roll, self._networks = roll, networks
        self._make_samples, self._make_labels, self._make_draw = samples, labels, draw
        self._told: dict[FeatureBuilder, Mapping[str, Tensor]] = {}

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

    def outputs(self, features: FeatureBuilder) -> Mapping[str, Tensor]:
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

    def network(self, features: FeatureBuilder) -> FeatureNetwork:
        """Return a feature network."""
        return self._networks.of(features)
