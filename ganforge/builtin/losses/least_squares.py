"""The least-squares loss."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator
from torch import Tensor

from ganforge.api import Duel, Loss


class LeastSquares(Loss):
    """Least-squares loss (Mao et al. 2017, arXiv:1611.04076, eq. 2; defaults of eq. 9).

    D minimises (D(x) - b)^2 / 2 + (D(G(z)) - a)^2 / 2, G minimises (D(G(z)) - c)^2 / 2. With b - c = 1 and b - a = 2
    (such as a = -1, b = 1, c = 0: eq. 8) the generator minimises a Pearson chi-squared divergence.
    """

    kind: Literal["least-squares"] = "least-squares"
    a: float = Field(default=0.0, ge=-100, le=100, description="the discriminator's target for generated samples")
    b: float = Field(default=1.0, ge=-100, le=100, description="its target for real samples, above a")
    c: float = Field(default=1.0, ge=-100, le=100, description="the generator's target, above a")

    @model_validator(mode="after")
    def _check(self) -> LeastSquares:
        if not (self.b > self.a and self.c > self.a):
            raise ValueError(
                f"real samples and the generator must aim higher than generated samples: expected b > a and c > a, "
                f"got a = {self.a:g}, b = {self.b:g}, c = {self.c:g}"
            )
        return self

    def discriminator(self, duel: Duel) -> Tensor:
        """Return half the squared distances of both batches to their targets, [B] or as the logits."""
        return ((duel.real_logits - self.b).square() + (duel.fake_logits - self.a).square()) / 2

    def generator(self, duel: Duel) -> Tensor:
        """Return half the squared distance to c, [B] or as the logits."""
        return (duel.fake_logits - self.c).square() / 2
