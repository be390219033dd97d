"""Channels by resolution, of networks that halve and double it."""

from __future__ import annotations

import math

from pydantic import Field

from ganforge.api import DataError, DataSpec, RecipeError

CHANNEL_BASE_TEXT = "channels times resolution, as far as channel_max allows"
CHANNEL_MAX = Field(default=512, ge=1, le=65_536, description="most channels a layer has")


def resolution_of(data: DataSpec, kind: str) -> int:
    """Return the resolution; a `DataError` where the data are not square images of a power of two from 8."""
    resolution = data.resolution
    if resolution < 8 or resolution & (resolution - 1):
        raise DataError(
            f"{kind} makes and scores images of 8, 16, 32, 64, ... pixels, and the data have {resolution}; set the "
            f"data's resolution to {2 ** max(3, round(math.log2(max(resolution, 1))))}, or choose the network mlp, "
            "which takes any"
        )
    return resolution


def check_channels(base: int, resolution: int, paper: str) -> None:
    """Raise a `RecipeError` where `base` / resolution is less than one channel; `paper` has another number."""
    if base < resolution:
        raise RecipeError(
            f"channel_base = {base} leaves less than one channel at resolution {resolution}; set it to {resolution} "
            f"or more (the paper has {paper})"
        )


def channels_by_resolution(kind: str, data: DataSpec, base: int, most: int, paper: int) -> dict[int, int]:
    """Return the channels at 4x4, 8x8, ..., the data's resolution: `base` / resolution, and `most` at most.

    Raises:
        DataError: the resolution is no power of two from 8.
        RecipeError: it leaves less than one channel; the `paper` has a higher base.
    """
    resolution = resolution_of(data, kind)
    check_channels(base, resolution, str(paper))
    return {2**level: min(base // 2**level, most) for level in range(2, resolution.bit_length())}
