"""Dropout whose chance is that of the run: the same however a batch is shared out."""

from __future__ import annotations

from pydantic import Field
from torch import Tensor, nn

from ganforge.api import Dice

DROPOUT = Field(
    default=0.0, ge=0, lt=1, description="share of hidden numbers that each sample loses in training; 0 = none"
)


class Dropout(nn.Module):
    """Sets numbers to 0 at random, in training, and enlarges the rest (Srivastava et al. 2014, JMLR 15:1929).

    Args:
        rate: share of the numbers that are lost, in [0, 1).
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate, self.dice = rate, Dice()

    def forward(self, hidden: Tensor) -> Tensor:
        """Map [B, ...] to the same shape."""
        if not self.training:
            return hidden
        kept = self.dice.uniform(*hidden.shape) >= self.rate
        return hidden * (kept.to(hidden.dtype) / (1 - self.rate))
