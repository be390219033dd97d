"""The gradient penalty of DRAGAN."""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from torch import Tensor, nn

from ganforge.api import DataSpec, Dice, Duel, PositiveNumber, Regularizer, value_at
from ganforge.builtin.regularizers.parts.input_gradient import gradient_norm_penalty


class Dragan(Regularizer):
    """Gradient penalty around real samples (Kodali et al. 2017, arXiv:1705.07215).

    weight (||grad D(x + noise)|| - target)^2, with normal noise on real samples x, as in the paper's formula; weight
    and target are those of the authors' notebook. That notebook takes a point at random on the way from x to x + u,
    with u uniform from 0 to half the deviation of the batch at hand; here `std` is fixed, so that no sample depends on
    another, and by default about half the deviation of images. Samples must not influence each other's score: no
    BatchNorm in the discriminator.
    """

    kind: Literal["dragan"] = "dragan"
    weight: PositiveNumber = Field(default=10.0, description="the paper's lambda")
    target: float = Field(default=1.0, ge=0, le=1e6, description="norm that gradients are drawn to, the paper's k")
    std: PositiveNumber = Field(
        default=0.25, description="standard deviation of the noise, in units of the samples (images span 2)"
    )

    def build(self, data: DataSpec) -> nn.Module:
        """Make the module, which draws the noise."""
        return _DraganPenalty(self)

    def penalty(self, duel: Duel) -> Tensor:
        """Refuse: the noise is drawn by the module that `build` makes."""
        raise RuntimeError("dragan draws noise: call the module that build(data) makes")

    def penalty_at(self, duel: Duel, noise: Tensor) -> Tensor:
        """Return the penalty [B] at the real samples plus `noise` [B, *shape], whose standard deviation is 1."""
        std = value_at(self.std, duel.images)
        samples = (duel.real.detach() + noise.to(duel.real.dtype) * std).requires_grad_()
        return gradient_norm_penalty(duel, samples, self.target) * value_at(self.weight, duel.images)


class _DraganPenalty(nn.Module):
    def __init__(self, recipe: Dragan) -> None:
        super().__init__()
        self.recipe, self.dice = recipe, Dice()

    def forward(self, duel: Duel) -> Tensor:
        return self.recipe.penalty_at(duel, self.dice.normal(*duel.real.shape))
