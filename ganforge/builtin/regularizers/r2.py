"""The R2 penalty."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field
from torch import Tensor

from ganforge.api import Duel, PositiveNumber, Regularizer, value_at


class R2(Regularizer):
    """R2: gamma / 2 times the discriminator's squared gradient on generated samples (Mescheder et al. 2018, eq. 10).

    arXiv:1801.04406. With R1 it makes relativistic pairing converge (Huang et al. 2025, arXiv:2501.05441, sec. 2.2).
    """

    kind: Literal["r2"] = "r2"
    input_gradients: ClassVar[bool] = True
    gamma: PositiveNumber = Field(default=10.0, description="weight; half of it multiplies the squared gradient")

    def penalty(self, duel: Duel) -> Tensor:
        """Return the penalty [B]."""
        return duel.fake_gradient.flatten(1).square().sum(1) * (value_at(self.gamma, duel.images) / 2)
