"""The fields of Adam's kind: learning rate, betas, eps."""

from __future__ import annotations

import torch
from pydantic import Field

from ganforge.api import DecayRate, Optimizer, value_at


class AdamFamily(Optimizer):
    """An optimizer with decaying means of the gradient and of its square. A subclass gives it a `kind` and `build`."""

    betas: tuple[DecayRate, DecayRate] = Field(default=(0.0, 0.99), description="decay of the first and second moment")
    eps: float = Field(default=1e-8, gt=0, description="added to the root of the second moment")

    def adjust(self, optimizer: torch.optim.Optimizer, images: int, step_fraction: float) -> None:
        """Set learning rate and decay rates before a step."""
        super().adjust(optimizer, images, step_fraction)
        for group in optimizer.param_groups:
            group["betas"] = self.betas_at(images, step_fraction)

    def betas_at(self, images: int, step_fraction: float) -> tuple[float, float]:
        """Return both decay rates after `images` images shown, with the correction for lazy steps."""
        first, second = (value_at(beta, images) ** step_fraction for beta in self.betas)
        return first, second
