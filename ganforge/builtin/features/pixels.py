"""Pixels as features: no network, no weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from ganforge.api import FeatureNetwork, Features, UnroundedFeatureNetwork


class Pixels(Features):
    """The pixels themselves in [-1, 1], averaged down to a small image [B, 3 x size x size]: nothing to download.

    Distances of pixels find copies, and tell sets of small, simple images apart; of what is seen in photographs they
    say little (Theis et al. 2016, arXiv:1511.01844, sec. 3.3).
    """

    kind: Literal["pixels"] = "pixels"
    size: int = Field(default=32, ge=1, le=256, description="pixels of a side; smaller images stay as they are")

    def build(self) -> FeatureNetwork:
        """Make what averages."""
        return PixelNetwork(self.size)


class PixelNetwork(UnroundedFeatureNetwork):
    """Averages pixels.

    Args:
        size: pixels of a side, at most.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size
        self.name, self.weights_sha256, self.resizer = f"pixels-{size}", "none", f"torch adaptive average, {size}"

    def forward(self, images: Tensor) -> Mapping[str, Tensor]:
        """Return `features` [B, 3 x size x size] of images [B, 3, H, W] in 0..255."""
        height, width = (min(self.size, length) for length in images.shape[2:])
        small = F.adaptive_avg_pool2d(images.float(), (height, width))
        return {"features": (small / 127.5 - 1).flatten(1)}
