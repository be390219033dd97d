"""What growing networks share: channels by resolution, boxes, and images between two resolutions."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from ganforge.data import DataSpec
from ganforge.errors import DataError, RecipeError


def channels_by_resolution(kind: str, data: DataSpec, base: int, most: int) -> dict[int, int]:
    """Return the channels at 4x4, 8x8, ..., the data's resolution: `base` / resolution, and `most` at most.

    Raises:
        DataError: the resolution is no power of two from 8.
        RecipeError: it leaves less than one channel.
    """
    resolution = data.resolution
    if resolution < 8 or resolution & (resolution - 1):
        raise DataError(
            f"{kind} makes and scores images of 8, 16, 32, 64, ... pixels, and the data have {resolution}; set the "
            f"data's resolution to {2 ** max(3, round(math.log2(max(resolution, 1))))}"
        )
    if base < resolution:
        raise RecipeError(
            f"channel_base = {base} leaves less than one channel at resolution {resolution}; set it to {resolution} "
            "or more (the paper has 16384)"
        )
    return {2**level: min(base // 2**level, most) for level in range(2, resolution.bit_length())}


def shrunk(images: Tensor, resolution: int) -> Tensor:
    """Return images [B, C, R, R] at a lower resolution, or the same: the mean of each box."""
    factor = images.shape[2] // resolution
    return images if factor == 1 else F.avg_pool2d(images, factor)


def enlarged(images: Tensor, resolution: int) -> Tensor:
    """Return images [B, C, R, R] at a higher resolution, or the same: each pixel becomes a box."""
    return images if images.shape[2] == resolution else F.interpolate(images, size=resolution, mode="nearest")


def faded(images: Tensor, resolution: int, blend: float) -> Tensor:
    """Return real images as a stage shows them: between half its resolution (blend 0) and all of it (blend 1).

    As generated images do while the network grows (Karras et al. 2018, arXiv:1710.10196, sec. 2 and fig. 2).
    """
    images = shrunk(images, resolution)
    if blend >= 1:
        return images
    return torch.lerp(enlarged(shrunk(images, resolution // 2), resolution), images, blend)
