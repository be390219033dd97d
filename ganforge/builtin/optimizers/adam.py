"""Adam."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import nn

from ganforge.families import Optimizer
from ganforge.schedule import value_at

Beta = Annotated[float, Field(ge=0, lt=1)]


class Adam(Optimizer):
    """Adam (Kingma & Ba 2015, arXiv:1412.6980, algorithm 1)."""

    kind: Literal["adam"] = "adam"
    betas: tuple[Beta, Beta] = Field(default=(0.0, 0.99), description="decay of the first and second moment")
    eps: float = Field(default=1e-8, gt=0, description="added to the root of the second moment")

    def build(self, parameters: Iterable[nn.Parameter], share: float) -> torch.optim.Optimizer:
        """Make a fused Adam; see `Optimizer.build` for the share."""
        first, second = (float(beta) ** share for beta in self.betas)
        return torch.optim.Adam(
            parameters, lr=value_at(self.lr, 0) * share, betas=(first, second), eps=self.eps, fused=True
        )
