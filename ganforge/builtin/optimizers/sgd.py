"""Stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Literal

import torch
from pydantic import Field, model_validator
from torch import nn

from ganforge.api import DecayRate, Optimizer, Ramp, value_at


class Sgd(Optimizer):
    """Gradient descent with momentum (Polyak 1964; Nesterov's by Sutskever et al. 2013), as in the GAN of 2014.

    The correction for lazy steps is another one than Adam's: a plain step is as long as its gradient, and a lazy term,
    multiplied by the rounds that it skips, weighs what it should without any. With the step
    fraction f, momentum m becomes m^f and the learning rate is multiplied by (1 - m^f) / (1 - m), so that a gradient
    moves the weights as far in all, and for as many rounds, as without lazy steps.
    """

    kind: Literal["sgd"] = "sgd"
    usual_lr: ClassVar[float | None] = 1e-2
    momentum: DecayRate = Field(default=0.0, description="share of the last step that is taken again")
    nesterov: bool = Field(default=False, description="look ahead along the momentum; needs one above 0")
    weight_decay: float = Field(default=0.0, ge=0, le=10, description="pull on the weights towards 0")

    @model_validator(mode="after")
    def _check(self) -> Sgd:
        lowest = min(self.momentum.start, self.momentum.end) if isinstance(self.momentum, Ramp) else self.momentum
        if self.nesterov and lowest <= 0:
            raise ValueError("nesterov = true needs momentum above 0, such as momentum = 0.9")
        return self

    def build(self, parameters: Iterable[nn.Parameter], step_fraction: float) -> torch.optim.Optimizer:
        """Make it; see the class for the step fraction."""
        lr, momentum = self.rates_at(0, step_fraction)
        return torch.optim.SGD(
            parameters, lr=lr, momentum=momentum, nesterov=self.nesterov, weight_decay=self.weight_decay
        )

    def adjust(self, optimizer: torch.optim.Optimizer, images: int, step_fraction: float) -> None:
        """Set learning rate and momentum before a step."""
        for group in optimizer.param_groups:
            group["lr"], group["momentum"] = self.rates_at(images, step_fraction)

    def rates_at(self, images: int, step_fraction: float) -> tuple[float, float]:
        """Return learning rate and momentum after `images` images shown, corrected for lazy steps."""
        momentum = value_at(self.momentum, images)
        corrected = momentum**step_fraction
        return self.lr_at(images) * (1 - corrected) / (1 - momentum), corrected
