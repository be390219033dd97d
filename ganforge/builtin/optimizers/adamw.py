"""AdamW."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import nn

from ganforge.builtin.optimizers.parts.adam_family import AdamFamily


class AdamW(AdamFamily):
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019, arXiv:1711.05101, algorithm 2).

    The decay follows the learning rate's schedule and its correction for lazy steps, as in the paper (eta_t lambda) and
    in PyTorch: weights shrink by lr x weight_decay in a round, whatever lazy steps there are.
    """

    kind: Literal["adamw"] = "adamw"
    usual_lr: ClassVar[float | None] = 2e-4
    weight_decay: float = Field(default=0.01, ge=0, le=10, description="times the learning rate: shrinkage in a step")

    def build(self, parameters: Iterable[nn.Parameter], step_fraction: float) -> torch.optim.Optimizer:
        """Make a fused AdamW; see `Optimizer.build` for the step fraction."""
        return torch.optim.AdamW(
            parameters,
            lr=self.lr_at(0) * step_fraction,
            betas=self.betas_at(0, step_fraction),
            eps=self.eps,
            weight_decay=self.weight_decay,
            fused=True,
        )
