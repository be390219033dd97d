"""Heads: what any discriminator that shows its features can have on top of its own score."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from ganforge.api import (
    AnyDiscriminator,
    DataError,
    DataSpec,
    Discriminator,
    DiscriminatorNetwork,
    FeatureDiscriminator,
    RecipeError,
)
from ganforge.builtin.networks.layers.minibatch import MinibatchDeviation

_INNER = Field(description="the discriminator whose features are looked at; it must show them (most do)")


class MinibatchDiscrimination(Discriminator):
    """Minibatch discrimination (Salimans et al. 2016, arXiv:1606.03498, sec. 3.2) on top of any discriminator.

    Features f of a sample become `kernels` rows of `dimensions` numbers by a learned tensor T; how close these are to
    the others' of the batch, o(f)_b = mean_j exp(-||M_ib - M_jb||_1), is scored beside f. Where we have the mean the
    paper has the sum: a factor that the weights after it make up for, so that closeness is in (0, 1] in groups of any
    size. What is generated is compared with what is generated, what is real with what is real.
    """

    kind: Literal["minibatch-discrimination"] = "minibatch-discrimination"
    network: AnyDiscriminator = _INNER
    kernels: int = Field(default=100, ge=1, le=4096, description="numbers B of closeness for each sample")
    dimensions: int = Field(default=5, ge=1, le=1024, description="numbers C that each of them compares")
    group: int = Field(
        default=0,
        ge=0,
        le=65_536,
        description="neighbouring samples that are compared, or the largest smaller number that divides the batch; 0 = "
        "all that share a forward, as in the paper",
    )

    def build(self, data: DataSpec) -> MinibatchDiscriminationNetwork:
        """Make the network; a `RecipeError` where the inner one shows no features."""
        return MinibatchDiscriminationNetwork(self, data)


class MinibatchStddev(Discriminator):
    """Minibatch standard deviation (Karras et al. 2018, arXiv:1710.10196, sec. 3) on top of any discriminator.

    The deviation of the last features over a group of neighbours, averaged over features, is scored beside them. In the
    paper's own networks it is one more channel before the last convolution, as in our `stylegan2`; here it enters the
    score with a learned weight.
    """

    kind: Literal["minibatch-stddev"] = "minibatch-stddev"
    network: AnyDiscriminator = _INNER
    group: int = Field(default=4, ge=1, le=65_536, description="neighbouring samples over which it is taken")

    def build(self, data: DataSpec) -> MinibatchStddevNetwork:
        """Make the network; a `RecipeError` where the inner one shows no features."""
        return MinibatchStddevNetwork(self, data)


class Projection(Discriminator):
    """Projection discriminator (Miyato & Koyama 2018, arXiv:1802.05637, eq. 3) on top of any discriminator.

    The inner network is built without labels; (V y) . f is added to its score, for its last features f and a label y:
    a class, one-hot, or a continuous condition.
    """

    kind: Literal["projection"] = "projection"
    network: AnyDiscriminator = _INNER

    def build(self, data: DataSpec) -> ProjectionNetwork:
        """Make the network; a `DataError` where data have no labels, a `RecipeError` where features are not shown."""
        return ProjectionNetwork(self, data)


class HeadNetwork(FeatureDiscriminator):
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
        added, features = self.look(activations[-1], labels)
        return logits + added.to(logits.dtype), [*activations[:-1], features]

    @abstractmethod
    def look(self, features: Tensor, labels: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return what is added to the score [B], and the features with what was found in them [B, F']."""


class MinibatchDiscriminationNetwork(HeadNetwork):
    """Adds a linear score of the closeness to others."""

    def __init__(self, recipe: MinibatchDiscrimination, data: DataSpec) -> None:
        super().__init__(recipe.network.build(data), recipe.group)
        self.kernels, self.group = recipe.kernels, recipe.group
        inputs = self.network.width
        self.tensor = nn.Linear(inputs, recipe.kernels * recipe.dimensions, bias=False)  # T, [B * C, A]
        self.score = nn.Linear(recipe.kernels, 1, bias=False)
        nn.init.normal_(self.tensor.weight, std=0.5 / math.sqrt(inputs))  # closeness begins neither near 0 nor near 1

    @property
    def width(self) -> int:
        """Inner features and kernels."""
        return self.network.width + self.kernels

    def look(self, features: Tensor, labels: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return the score of o(f), and f with o(f) appended."""
        closeness = self.closeness(features)
        return self.score(closeness).squeeze(1), torch.cat([features, closeness.to(features.dtype)], 1)

    def closeness(self, features: Tensor) -> Tensor:
        """Return o(f) [B, kernels] of features [B, F]; closeness to oneself, 1, is counted, as in the paper."""
        batch = len(features)
        group = next(size for size in range(min(self.group or batch, batch), 0, -1) if batch % size == 0)
        rows = self.tensor(features).view(batch // group, group, self.kernels, -1)
        rows = rows.to(torch.promote_types(rows.dtype, torch.float32))  # bfloat16 is too coarse for an exponential
        numbers = rows.permute(3, 0, 2, 1).contiguous()  # [dimensions, groups, kernels, group]: neighbours lie together
        distances = (numbers[..., :, None] - numbers[..., None, :]).abs().sum(0)
        closeness: Tensor = (-distances).exp().mean(3)
        return closeness.transpose(1, 2).reshape(batch, self.kernels)


class MinibatchStddevNetwork(HeadNetwork):
    """Adds the weighted deviation over neighbours."""

    def __init__(self, recipe: MinibatchStddev, data: DataSpec) -> None:
        super().__init__(recipe.network.build(data), recipe.group)
        self.deviation, self.score = MinibatchDeviation(recipe.group), nn.Linear(1, 1, bias=False)

    @property
    def width(self) -> int:
        """Inner features and the deviation."""
        return self.network.width + 1

    def look(self, features: Tensor, labels: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return the score of the deviation, and the features with it appended."""
        widened = self.deviation(features[:, :, None, None]).flatten(1)
        return self.score(widened[:, -1:]).squeeze(1), widened


class ProjectionNetwork(HeadNetwork):
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
        added, _ = self.look(activations[-1], labels)
        return logits + added.to(logits.dtype), activations

    def look(self, features: Tensor, labels: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return (V y) . f, and f."""
        encoded = self.data.encode(labels).to(self.embedding.weight.dtype)
        return (self.embedding(encoded) * features).sum(1), features
