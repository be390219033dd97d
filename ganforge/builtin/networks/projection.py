"""The projection discriminator."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from torch import Tensor, nn

from ganforge.api import AnyDiscriminator, DataError, DataSpec, Discriminator
from ganforge.builtin.networks.layers.discriminator_head import INNER_NETWORK, DiscriminatorHead


class Projection(Discriminator):
    """Projection discriminator (Miyato & Koyama 2018, arXiv:1802.05637, eq. 3) on top of any discriminator.

    The inner network is built without labels; (V y) . f is added to its score, for its last features f and a label y:
    a class, one-hot, or a continuous condition.
    """

    kind: Literal["projection"] = "projection"
    network: AnyDiscriminator = INNER_NETWORK

    def build(self, data: DataSpec) -> ProjectionNetwork:
        """Make the network; a `DataError` where data have no labels, a `RecipeError` where features are not shown."""
        return ProjectionNetwork(self, data)


class ProjectionNetwork(DiscriminatorHead):
    """Adds the product of features and the label's embedding."""

    def __init__(self, recipe: Projection, data: DataSpec) -> None:
        if not data.label_size:
            raise DataError(
                "projection scores labels, and the data have none; choose labelled data, or the inner network alone"
            )
        plain = replace(data, classes=0, class_names=(), conditions=0, labelled=1.0)
        super().__init__(recipe.network.build(plain), 1)
        self.data = data
        self.embedding = nn.Linear(data.label_size, self.network.width, bias=False)
        nn.init.normal_(self.embedding.weight, std=1 / math.sqrt(self.network.width))

    @property
    def width(self) -> int:
        """Inner features."""
        return self.network.width

    def forward_features(self, samples: Tensor, labels: Tensor | None = None) -> tuple[Tensor, Sequence[Tensor]]:
        """Return logits [B] and the inner activations; the inner network sees no labels."""
        logits, activations = self.network.forward_features(samples)
        added, _ = self.score_features(activations[-1], labels)
        return logits + added.to(logits.dtype), activations

    def score_features(self, features: Tensor, labels: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return (V y) . f, and f."""
        encoded = self.data.encode(labels).to(self.embedding.weight.dtype)
        return (self.embedding(encoded) * features).sum(1), features
