"""A running mean that does not depend on how the batch is split."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ganforge.api import Tally


class RunningMean(nn.Module):
    """Exponential moving average of what is seen in training; the half-life is counted in images.

    What is seen in a turn moves the average at the next look, when all processes have settled what they saw.

    Args:
        shape: of one observation; none = numbers.
        half_life: images seen until an old average counts half.
        start: what it begins with.
    """

    value: Tensor

    def __init__(self, *shape: int, half_life: float, start: float = 0.0) -> None:
        super().__init__()
        self.half_life = half_life
        self.register_buffer("value", torch.full(shape, start))
        self.seen = Tally(*shape)

    @torch.no_grad()
    def update(self, observations: Tensor) -> None:
        """Move the average to what was settled, and note `observations` [B, *shape], one for each image."""
        kept = 0.5 ** (self.seen.count / self.half_life)  # 1 where nothing was settled since the last look
        self.value.lerp_(self.seen.take(), 1 - kept)
        self.seen.add(observations)
