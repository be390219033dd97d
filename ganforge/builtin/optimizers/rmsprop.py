"""RMSprop."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import torch
from pydantic import Field
from torch import nn

from ganforge.api import DecayRate, Optimizer, value_at


class RmsProp(Optimizer):
    """RMSprop (Tieleman & Hinton 2012, lecture 6.5; centred: Graves 2013, arXiv:1308.0850, eq. 38-45).

    WGAN takes it since momentum does harm there (Arjovsky et al. 2017, arXiv:1701.07875, sec. 4). As in PyTorch, the
    mean square begins at 0 and is not corrected for that: the first steps are up to 1 / sqrt(1 - alpha) times as long.
    """

    kind: Literal["rmsprop"] = "rmsprop"
    alpha: DecayRate = Field(default=0.99, description="decay of the mean square of the gradient")
    eps: float = Field(default=1e-8, gt=0, description="added to the root of the mean square")
    momentum: DecayRate = Field(default=0.0, description="share of the last step that is taken again")
    centered: bool = Field(default=False, description="divide by the standard deviation rather than the mean square")

    def build(self, parameters: Iterable[nn.Parameter], step_fraction: float) -> torch.optim.Optimizer:
        """Make it; see `Optimizer.build` for the step fraction."""
        lr, alpha, momentum = self.rates_at(0, step_fraction)
        return torch.optim.RMSprop(
            parameters, lr=lr, alpha=alpha, eps=self.eps, momentum=momentum, centered=self.centered
        )

    def adjust(self, optimizer: torch.optim.Optimizer, images: int, step_fraction: float) -> None:
        """Set learning rate, decay and momentum before a step."""
        for group in optimizer.param_groups:
            group["lr"], group["alpha"], group["momentum"] = self.rates_at(images, step_fraction)

    def rates_at(self, images: int, step_fraction: float) -> tuple[float, float, float]:
        """Return learning rate, decay and momentum m after `images` images shown, corrected for lazy steps.

        A step adds up over (1 - m) of its successors' momentum, so m^f with the step fraction f takes
        (1 - m^f) / (1 - m) with it.
        """
        momentum = value_at(self.momentum, images)
        corrected = momentum**step_fraction
        lr = self.lr_at(images) * step_fraction * (1 - corrected) / (1 - momentum)
        return lr, value_at(self.alpha, images) ** step_fraction, corrected
