"""Minibatch discrimination."""

from __future__ import annotations

import math
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from ganforge.api import AnyDiscriminator, DataSpec, Discriminator
from ganforge.builtin.networks.layers.discriminator_head import INNER_NETWORK, DiscriminatorHead
from ganforge.builtin.networks.layers.minibatch_stddev import group_size


class MinibatchDiscrimination(Discriminator):
    """Minibatch discrimination (Salimans et al. 2016, arXiv:1606.03498, sec. 3.2) on top of any discriminator.

    Features f of a sample become `kernels` rows of `dimensions` numbers by a learned tensor T; how close these are to
    the others' of the batch, o(f)_b = mean_j exp(-||M_ib - M_jb||_1), is scored beside f. Where we have the mean the
    paper has the sum: a factor that the weights after it make up for, so that closeness is in (0, 1] in groups of any
    size. What is generated is compared with what is generated, what is real with what is real.
    """

    kind: Literal["minibatch-discrimination"] = "minibatch-discrimination"
    network: AnyDiscriminator = INNER_NETWORK
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


class MinibatchDiscriminationNetwork(DiscriminatorHead):
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

    def score_features(self, features: Tensor, labels: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return the score of o(f), and f with o(f) appended."""
        closeness = self.closeness(features)
        return self.score(closeness).squeeze(1), torch.cat([features, closeness.to(features.dtype)], 1)

    def closeness(self, features: Tensor) -> Tensor:
        """Return o(f) [B, kernels] of features [B, F]; closeness to oneself, 1, is counted, as in the paper."""
        batch = len(features)
        group = group_size(batch, self.group or batch)
        rows = self.tensor(features).view(batch // group, group, self.kernels, -1)
        rows = rows.to(torch.promote_types(rows.dtype, torch.float32))  # bfloat16 is too coarse for an exponential
        numbers = rows.permute(3, 0, 2, 1).contiguous()  # [dimensions, groups, kernels, group]: neighbours lie together
        distances = (numbers[..., :, None] - numbers[..., None, :]).abs().sum(0)
        closeness: Tensor = (-distances).exp().mean(3)
        return closeness.transpose(1, 2).reshape(batch, self.kernels)
