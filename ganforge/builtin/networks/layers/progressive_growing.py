"""Images between two resolutions, for networks that grow."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def downsample(images: Tensor, resolution: int) -> Tensor:
    """Return images [B, C, R, R] at a lower resolution, or the same: the mean of each box."""
    factor = images.shape[2] // resolution
    return images if factor == 1 else F.avg_pool2d(images, factor)


def upsample(images: Tensor, resolution: int) -> Tensor:
    """Return images [B, C, R, R] at a higher resolution, or the same: each pixel becomes a box."""
    return images if images.shape[2] == resolution else F.interpolate(images, size=resolution, mode="nearest")


def fade_in(images: Tensor, resolution: int, blend: float) -> Tensor:
    """Return real images as a stage shows them: between half its resolution (blend 0) and all of it (blend 1).

    As generated images do while the network grows (Karras et al. 2018, arXiv:1710.10196, sec. 2 and fig. 2).
    """
    images = downsample(images, resolution)
    if blend >= 1:
        return images
    return torch.lerp(upsample(downsample(images, resolution // 2), resolution), images, blend)
