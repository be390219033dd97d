"""The gradient penalty of WGAN-GP."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from ganforge.api import DataSpec, Dice, Duel, PositiveNumber, Regularizer, RemedyFor, value_at
from ganforge.builtin.regularizers.parts.input_gradient import gradient_norm_penalty


class GradientPenalty(Regularizer):
    """Gradient penalty between real and generated samples (Gulrajani et al. 2017, arXiv:1704.00028, eq. 3).

    weight (||grad D(x)|| - target)^2, where x lies at a uniformly drawn place on the line from a real to a generated
    sample. Samples must not influence each other's score: no BatchNorm in the critic (sec. 4).
    """

    kind: Literal["gradient-penalty"] = "gradient-penalty"
    remedy_for: ClassVar[RemedyFor] = {"unbounded-critic": {}}
    weight: PositiveNumber = Field(default=10.0, description="the paper's lambda")
    target: float = Field(default=1.0, ge=0, le=1e6, description="norm that gradients are drawn to; 0 is zero-centred")

    def build(self, data: DataSpec) -> nn.Module:
        """Make the module, which draws the places."""
        return _InterpolationPenalty(self)

    def penalty(self, duel: Duel) -> Tensor:
        """Refuse: the places are drawn by the module that `build` makes."""
        raise RuntimeError("a gradient penalty draws numbers: call the module that build(data) makes")

    def penalty_at(self, duel: Duel, places: Tensor) -> Tensor:
        """Return the penalty [B] at `places` [B] on the lines from real (0) to generated samples (1)."""
        real, fake = duel.real.detach(), duel.fake.detach()
        samples = torch.lerp(real, fake, places.view(-1, *[1] * (real.ndim - 1)).to(real.dtype)).requires_grad_()
        return gradient_norm_penalty(duel, samples, self.target) * value_at(self.weight, duel.images)


class _InterpolationPenalty(nn.Module):
    def __init__(self, recipe: GradientPenalty) -> None:
        super().__init__()
        self.recipe, self.dice = recipe, Dice()

    def forward(self, duel: Duel) -> Tensor:
        return self.recipe.penalty_at(duel, self.dice.uniform(len(duel.real)))
