"""Statistics of neighbouring samples."""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor, nn

GROUP = Field(default=4, le=65_536, description="neighbouring samples over which the deviation is taken")


def group_size(batch: int, largest: int) -> int:
    """Return the largest number up to `largest` that divides a batch."""
    return next(size for size in range(min(largest, batch), 0, -1) if batch % size == 0)


class MinibatchStddevLayer(nn.Module):
    """Shows each sample how much its group varies (Karras et al. 2018, arXiv:1710.10196, sec. 3).

    The standard deviation over the group, averaged over channels and pixels, becomes one more channel. Groups are
    neighbours, so that a batch can be split between them over processes.

    Args:
        group: samples in a group; where it does not divide the batch, the largest smaller number that does.
    """

    def __init__(self, group: int = 4) -> None:
        super().__init__()
        self.group = group

    def forward(self, images: Tensor) -> Tensor:
        """Map images [B, C, H, W] to [B, C + 1, H, W]."""
        batch, channels, height, width = images.shape
        group = group_size(batch, self.group)
        groups = images.float().reshape(batch // group, group, channels, height, width)
        variance = (groups - groups.mean(1, keepdim=True)).square().mean(1)
        deviation = (variance + 1e-8).sqrt().mean((1, 2, 3))  # [B / group]
        shown = deviation.to(images.dtype)[:, None].expand(-1, group).reshape(batch, 1, 1, 1)
        pixels = [images.permute(0, 2, 3, 1), shown.expand(-1, height, width, 1)]
        return torch.cat(pixels, 3).permute(0, 3, 1, 2)  # in channels_last
