"""Adam."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import torch
from pydantic import Field
from torch import nn

from ganforge.families import Optimizer
from ganforge.schedule import DecayRate, value_at


class Adam(Optimizer):
    """Adam (Kingma & Ba 2015, arXiv:1412.6980, algorithm 1)."""

    kind: Literal["adam"] = "adam"
    betas: tuple[DecayRate, DecayRate] = Field(default=(0.0, 0.99), description="decay of the first and second moment")
    eps: float = Field(default=1e-8, gt=0, description="added to the root of the second moment")

    def build(self, parameters: Iterable[nn.Parameter], share: float) -> torch.optim.Optimizer:
        """Make a fused Adam; see `Optimizer.build` for the share."""
        return torch.optim.Adam(
            parameters, lr=self.lr_at(0) * share, betas=self.betas_at(0, share), eps=self.eps, fused=True
        )

    def adjust(self, optimizer: torch.optim.Optimizer, images: int, share: float) -> None:
        """Set learning rate and decay rates before a step."""
        super().adjust(optimizer, images, share)
        for group in optimizer.param_groups:
            group["betas"] = self.betas_at(images, share)

    def betas_at(self, images: int, share: float) -> tuple[float, float]:
        """Return both decay rates after `images` images shown, with the correction for lazy steps."""
        first, second = (value_at(beta, images) ** share for beta in self.betas)
        return first, second
