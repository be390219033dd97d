"""Balanced consistency regularization."""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from torch import Tensor, nn

from ganforge.api import DataSpec, Duel, PositiveNumber, Regularizer, value_at
from ganforge.builtin.regularizers.parts.consistency_transforms import TRANSFORM, ConsistencyTransform, Transforms


class BalancedConsistency(Regularizer):
    """Balanced consistency regularization, bCR (Zhao et al. 2020, arXiv:2002.04724, sec. 3.1).

    weight_real (D(x) - D(T(x)))^2 + weight_fake (D(G(z)) - D(T(G(z))))^2: on real and on generated samples, so that
    the change T does not become a mark of real ones, which the generator would learn.
    """

    kind: Literal["balanced-consistency"] = "balanced-consistency"
    weight_real: PositiveNumber = Field(default=10.0, description="the paper's lambda_real")
    weight_fake: PositiveNumber = Field(default=10.0, description="the paper's lambda_fake")
    transform: Transforms = TRANSFORM

    def build(self, data: DataSpec) -> nn.Module:
        """Make the module, which changes samples; a `DataError` where the transform does not fit the data."""
        return _BalancedConsistencyPenalty(self, data)

    def penalty(self, duel: Duel) -> Tensor:
        """Refuse: samples are changed by the module that `build` makes."""
        raise RuntimeError("balanced-consistency draws changes: call the module that build(data) makes")


class _BalancedConsistencyPenalty(nn.Module):
    def __init__(self, recipe: BalancedConsistency, data: DataSpec) -> None:
        super().__init__()
        self.recipe, self.transform = recipe, ConsistencyTransform(recipe.transform, data)

    def forward(self, duel: Duel) -> Tensor:
        """Return the penalty [B], or as the logits."""
        real, fake = (self.transform(samples.detach(), duel.images) for samples in (duel.real, duel.fake))
        changed = Duel(duel.discriminator, real, fake, duel.labels, joint=duel.joint)
        of_real, of_fake = duel.real_logits - changed.real_logits, duel.fake_logits - changed.fake_logits
        weights = value_at(self.recipe.weight_real, duel.images), value_at(self.recipe.weight_fake, duel.images)
        return weights[0] * of_real.square() + weights[1] * of_fake.square()
