"""Consistency regularization."""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from torch import Tensor, nn

from ganforge.api import DataSpec, Duel, PositiveNumber, Regularizer, value_at
from ganforge.builtin.regularizers.parts.consistency_transforms import TRANSFORM, ConsistencyTransform, Transforms


class Consistency(Regularizer):
    """Consistency regularization, CR (Zhang et al. 2020, arXiv:1910.12027): weight (D(x) - D(T(x)))^2, x real.

    What the discriminator says must not depend on a change T that keeps the meaning.
    """

    kind: Literal["consistency"] = "consistency"
    weight: PositiveNumber = Field(default=10.0, description="the paper's lambda")
    transform: Transforms = TRANSFORM

    def build(self, data: DataSpec) -> nn.Module:
        """Make the module, which changes samples; a `DataError` where the transform does not fit the data."""
        return _ConsistencyPenalty(self, data)

    def penalty(self, duel: Duel) -> Tensor:
        """Refuse: samples are changed by the module that `build` makes."""
        raise RuntimeError("consistency draws changes: call the module that build(data) makes")


class _ConsistencyPenalty(nn.Module):
    def __init__(self, recipe: Consistency, data: DataSpec) -> None:
        super().__init__()
        self.weight, self.transform = recipe.weight, ConsistencyTransform(recipe.transform, data)

    def forward(self, duel: Duel) -> Tensor:
        """Return the penalty [B], or as the logits."""
        changed = self.transform(duel.real.detach(), duel.images)
        difference = duel.real_logits - duel.discriminator(changed, duel.labels)
        return value_at(self.weight, duel.images) * difference.square()
