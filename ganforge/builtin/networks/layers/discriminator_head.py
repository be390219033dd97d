"""A head on top of any discriminator that shows its features: something added to its score."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence

from pydantic import Field
from torch import Tensor

from ganforge.api import DiscriminatorNetwork, FeatureDiscriminator, RecipeError

INNER_NETWORK = Field(description="the discriminator whose features are looked at; it must show them (most do)")


class DiscriminatorHead(FeatureDiscriminator):
    """A discriminator's network with something added to its score. Its last activation is all that is scored linearly.

    Args:
        network: the inner one.
        group: samples that the head compares, as in `DiscriminatorNetwork.batch_group`.

    Raises:
        RecipeError: the inner network shows no features.
    """

    def __init__(self, network: DiscriminatorNetwork, group: int) -> None:
        super().__init__()
        if not isinstance(network, FeatureDiscriminator):
            raise RecipeError(
                f"network: {type(network).__name__} shows no features to look at; choose another discriminator"
            )
        self.network = network
        self.batch_group = math.lcm(network.batch_group, group)  # of 0, the whole batch, and anything: 0

    def forward_features(self, samples: Tensor, labels: Tensor | None = None) -> tuple[Tensor, Sequence[Tensor]]:
        """Return logits [B] and the inner activations, the last of them [B, F] with what the head found appended."""
        logits, activations = self.network.forward_features(samples, labels)
        added, features = self.score_features(activations[-1], labels)
        return logits + added.to(logits.dtype), [*activations[:-1], features]

    @abstractmethod
    def score_features(self, features: Tensor, labels: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return what is added to the score [B], and the features with what was found in them [B, F']."""
