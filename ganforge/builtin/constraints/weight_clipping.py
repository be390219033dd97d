"""Weight clipping."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import nn

from ganforge.api import Constraint


class WeightClipping(Constraint):
    """Weight clipping: every parameter is clamped to [-limit, limit] after each step (Arjovsky et al. 2017).

    arXiv:1701.07875, algorithm 1, line 7.
    """

    kind: Literal["weight-clipping"] = "weight-clipping"
    limit: float = Field(default=0.01, gt=0, le=1e3, description="largest magnitude of a parameter")

    @torch.no_grad()
    def project(self, network: nn.Module) -> None:
        """Clamp the parameters in place."""
        for parameter in network.parameters():
            parameter.clamp_(-self.limit, self.limit)
