"""Normalisation of hidden layers, by name."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from ganforge.builtin.networks.layers.pixel_norm import pixel_norm

Norm = Literal["batch", "layer", "instance", "pixel", "none"]
VectorNorm = Literal["batch", "layer", "pixel", "none"]
NORM = (
    "of the hidden layers: batch (arXiv:1502.03167), layer (1607.06450), instance (1607.08022), pixel (1710.10196, no "
    "weights) or none; only with batch do samples influence each other"
)
VECTOR_NORM = (
    "of the hidden layers: batch (arXiv:1502.03167), layer (1607.06450), pixel (1710.10196, no weights) or none; only "
    "with batch do samples influence each other"
)


class PixelNorm(nn.Module):
    """Divides by the root mean square over channels (Karras et al. 2018, arXiv:1710.10196, sec. 4.2); no weights."""

    def forward(self, hidden: Tensor) -> Tensor:
        """Map [B, C, ...] to the same shape."""
        return pixel_norm(hidden)


def image_norm(kind: Norm, channels: int) -> nn.Module | None:
    """Make a norm of [B, C, H, W] with a gain and a bias for each channel (pixel: without); None for none."""
    match kind:
        case "batch":
            return nn.BatchNorm2d(channels)
        case "layer":
            return nn.GroupNorm(1, channels)  # statistics over all of a sample, weights by channel
        case "instance":
            return nn.InstanceNorm2d(channels, affine=True)
        case "pixel":
            return PixelNorm()
        case "none":
            return None


def vector_norm(kind: VectorNorm, size: int) -> nn.Module | None:
    """Make a norm of [B, F] with a gain and a bias for each number (pixel: without); None for none."""
    match kind:
        case "batch":
            return nn.BatchNorm1d(size)
        case "layer":
            return nn.LayerNorm(size)
        case "pixel":
            return PixelNorm()
        case "none":
            return None


def has_bias(kind: Norm) -> bool:
    """Whether a norm adds a bias, so that the layer before it needs none."""
    return kind not in ("pixel", "none")
