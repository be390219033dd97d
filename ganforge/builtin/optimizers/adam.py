"""Adam."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Literal

import torch
from torch import nn

from ganforge.builtin.optimizers.parts.adam_family import AdamFamily


class Adam(AdamFamily):
    """Adam (Kingma & Ba 2015, arXiv:1412.6980, algorithm 1)."""

    kind: Literal["adam"] = "adam"
    is_default: ClassVar[bool] = True
    usual_lr: ClassVar[float | None] = 2e-4

    def build(self, parameters: Iterable[nn.Parameter], step_fraction: float) -> torch.optim.Optimizer:
        """Make a fused Adam; see `Optimizer.build` for the step fraction."""
        return torch.optim.Adam(
            parameters,
            lr=self.lr_at(0) * step_fraction,
            betas=self.betas_at(0, step_fraction),
            eps=self.eps,
            fused=True,
        )
