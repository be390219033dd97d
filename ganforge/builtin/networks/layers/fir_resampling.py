"""Resampling with a finite impulse response filter, so that nothing aliases."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ganforge.builtin.networks.layers.convolution import convolve

TAPS = (1.0, 3.0, 3.0, 1.0)  # binomial; Karras et al. 2020, arXiv:1912.04958, app. B


class FirResample(nn.Module):
    """A separable filter applied to each channel while images grow or shrink.

    It is one depthwise (transposed) convolution, which keeps channels_last.

    Args:
        channels: of the images.
        up: factor of enlargement; the filter's gain makes up for the zeros in between.
        down: factor of shrinking.
        padding: zeros added on each side before filtering; rows taken off each side of the result where `up` > 1.
        gain: multiplies the result.
    """

    filter: Tensor

    def __init__(self, channels: int, *, up: int = 1, down: int = 1, padding: int = 0, gain: float = 1.0) -> None:
        super().__init__()
        assert up == 1 or down == 1, "first one, then the other"
        taps = torch.tensor(TAPS)
        taps = taps / taps.sum()
        kernel = torch.outer(taps, taps) * (up**2 * gain)
        self.register_buffer("filter", kernel.expand(channels, 1, -1, -1).clone(), persistent=False)
        self.channels, self.up, self.down, self.padding = channels, up, down, padding

    def forward(self, images: Tensor) -> Tensor:
        """Map images [B, C, H, W] to [B, C, H', W']."""
        kernel = self.filter.to(images.dtype)
        grows = self.up > 1
        return convolve(
            images,
            kernel,
            stride=self.up if grows else self.down,
            padding=self.padding,
            transposed=grows,
            groups=self.channels,
        )


def fir_upsample(channels: int) -> FirResample:
    """Make what doubles the resolution of images."""
    return FirResample(channels, up=2, padding=1)


def fir_downsample(channels: int) -> FirResample:
    """Make what halves the resolution of images."""
    return FirResample(channels, down=2, padding=1)
