"""Convolutions that change the resolution by boxes: nearest neighbours up, means down, each in one convolution.

A box before or after a 3x3 kernel is a 4x4 kernel of stride 2: the same numbers, borders included, for 4/9 of the work.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganforge.builtin.networks.layers.convolution import convolve
from ganforge.builtin.networks.layers.equalized_layers import LEAKY_RELU_GAIN, LEAKY_RELU_SLOPE
from ganforge.builtin.networks.layers.fir_resampling import FirResample


def boxed(weight: Tensor) -> Tensor:
    """Return kernels [O, I, 3, 3] convolved with a box of 2x2 ones, [O, I, 4, 4]."""
    wide = F.pad(weight, (1, 1, 1, 1))
    rows = wide[:, :, 1:] + wide[:, :, :-1]
    return rows[..., 1:] + rows[..., :-1]


class BoxConv(nn.Module):
    """A 3x3 convolution with an equalised learning rate that doubles or halves the resolution, bias and rectifier.

    Karras et al. 2018, arXiv:1710.10196, sec. 4.1 and table 2. Halving comes before bias and rectifier, as in the
    authors' code; the table has it after them.

    Args:
        inputs: channels that come in.
        outputs: channels that go out.
        up: whether each pixel becomes a box before the convolution; otherwise boxes become their means after it.
    """

    def __init__(self, inputs: int, outputs: int, *, up: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, 3, 3))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.up = up
        self.scale = LEAKY_RELU_GAIN / math.sqrt(inputs * 9)

    def forward(self, images: Tensor) -> Tensor:
        """Map images [B, I, H, W] to [B, O, 2 H, 2 W] or [B, O, H / 2, W / 2]."""
        bias = self.bias * LEAKY_RELU_GAIN
        if self.up:
            kernel = boxed(self.weight.flip(2, 3) * self.scale).transpose(0, 1)
            result = convolve(images, kernel, bias, stride=2, padding=1, transposed=True)
        else:
            result = convolve(images, boxed(self.weight * (self.scale / 4)), bias, stride=2, padding=1)
        return F.leaky_relu(result, LEAKY_RELU_SLOPE, inplace=True)


class BilinearConv(nn.Module):
    """A 3x3 convolution that doubles the resolution bilinearly, without bias (arXiv:1812.04948, sec. 2).

    The paper enlarges by nearest neighbours, convolves and filters with a binomial filter of 3 taps. These are linear
    and commute (but for the outermost pixels): box and filter together are one filter of 4 taps after the convolution,
    whose kernel lies the other way round.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, 3, 3))
        self.blur = FirResample(outputs, padding=1, gain=4.0)
        self.scale = LEAKY_RELU_GAIN / math.sqrt(inputs * 9)

    def forward(self, images: Tensor) -> Tensor:
        """Map images [B, I, H, W] to [B, O, 2 H, 2 W]."""
        kernel = self.weight.transpose(0, 1) * self.scale
        return self.blur(convolve(images, kernel, stride=2, transposed=True))  # type: ignore[no-any-return]
