"""A rein on the critic's scores."""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from torch import Tensor

from ganforge.api import Duel, PositiveNumber, Regularizer, value_at


class Drift(Regularizer):
    """Keeps a critic's scores near 0: weight D(x)^2 on real samples (Karras et al. 2018, arXiv:1710.10196, app. A.1).

    Wasserstein losses see only differences of scores, which could otherwise wander off together.
    """

    kind: Literal["drift"] = "drift"
    weight: PositiveNumber = Field(default=0.001, description="the paper's epsilon_drift")

    def penalty(self, duel: Duel) -> Tensor:
        """Return the penalty, as the logits."""
        return duel.real_logits.square() * value_at(self.weight, duel.images)
