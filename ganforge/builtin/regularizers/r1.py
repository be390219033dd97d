"""The R1 penalty."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field
from torch import Tensor

from ganforge.api import Duel, PositiveNumber, Regularizer, RemedyFor, value_at


class R1(Regularizer):
    """R1: gamma / 2 times the discriminator's squared gradient on real samples (Mescheder et al. 2018, eq. 9).

    arXiv:1801.04406. The gradient is that of the logit by the sample as it came, before any augmentation.
    """

    kind: Literal["r1"] = "r1"
    remedy_for: ClassVar[RemedyFor] = {"divergence": {"gamma": 1.0}}
    input_gradients: ClassVar[bool] = True
    gamma: PositiveNumber = Field(default=10.0, description="weight; half of it multiplies the squared gradient")

    def penalty(self, duel: Duel) -> Tensor:
        """Return the penalty [B]."""
        return duel.real_gradient.flatten(1).square().sum(1) * (value_at(self.gamma, duel.images) / 2)
