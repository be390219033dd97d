"""Residual networks without normalisation, whose branches begin as Fixup's: what R3GAN's two sides are made of."""

from __future__ import annotations

import math
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganforge.builtin.networks.layers.convolution import convolve

LEAKY_RELU_SLOPE = 0.2  # of the leaky rectifier on its negative side
HE_GAIN = math.sqrt(
    2 / (1 + LEAKY_RELU_SLOPE**2)
)  # what keeps the second moment through it (He et al. 2015, arXiv:1502.01852)
_LAYERS = 3  # of a residual branch


class BlockShape(Protocol):
    """How the blocks of a network look."""

    @property
    def blocks(self) -> int:
        """Residual blocks in each stage."""

    @property
    def expansion(self) -> int:
        """Channels inside a block, relative to its stage."""

    @property
    def group_width(self) -> int:
        """Channels in a group of the 3x3 convolutions."""


class HeConvolution(nn.Module):
    """A convolution that keeps the resolution, with He's initialisation; a 1x1 kernel is a matrix product over pixels.

    Args:
        inputs: channels that come in.
        outputs: channels that go out.
        kernel: odd edge length of the kernel.
        groups: parts of the channels, each with its own kernel.
        rectify: whether a bias and a leaky rectifier follow.
        gain: of the initialisation; the weights begin with standard deviation gain / sqrt(fan-in).
    """

    def __init__(
        self, inputs: int, outputs: int, kernel: int = 1, groups: int = 1, rectify: bool = False, gain: float = 1.0
    ) -> None:
        super().__init__()
        fan_in = inputs // groups * kernel**2
        self.weight = nn.Parameter(torch.randn(outputs, inputs // groups, kernel, kernel) * (gain / math.sqrt(fan_in)))
        self.bias = nn.Parameter(torch.zeros(outputs)) if rectify else None
        self.padding, self.groups = kernel // 2, groups

    def forward(self, images: Tensor) -> Tensor:
        """Map images [B, I, H, W] to [B, O, H, W]."""
        if self.weight.shape[2] > 1 or self.groups > 1:
            result = convolve(images, self.weight, self.bias, padding=self.padding, groups=self.groups)
        else:
            result = F.linear(images.permute(0, 2, 3, 1), self.weight.flatten(1), self.bias).permute(0, 3, 1, 2)
        return result if self.bias is None else F.leaky_relu(result, LEAKY_RELU_SLOPE)


class FixupBlock(nn.Module):
    """A residual block: wider inside, with grouped 3x3 convolutions there (arXiv:2501.05441, fig. 4, right).

    Its start is that of Fixup (Zhang et al. 2019, arXiv:1901.09321, sec. 3): the branch's last layer is 0, its others
    are He's divided by the number of all blocks to the power 1 / (2 m - 2), for m = 3 layers.

    Args:
        channels: that come in and go out.
        inside: channels of the branch.
        group_width: channels in a group.
        depth: residual blocks in the whole network.
    """

    def __init__(self, channels: int, inside: int, group_width: int, depth: int) -> None:
        super().__init__()
        gain = HE_GAIN * depth ** (-1 / (2 * _LAYERS - 2))
        groups = max(1, inside // group_width)
        self.widen = HeConvolution(channels, inside, rectify=True, gain=gain)
        self.mix = HeConvolution(inside, inside, 3, groups, rectify=True, gain=gain)
        self.narrow = HeConvolution(inside, channels, gain=0.0)

    def forward(self, hidden: Tensor) -> Tensor:
        """Map [B, C, H, W] to the same shape."""
        return hidden + self.narrow(self.mix(self.widen(hidden)))  # type: ignore[no-any-return]


class FixupStage(nn.Sequential):
    """The residual blocks of one resolution.

    Args:
        channels: that come in and go out.
        shape: of the blocks.
        depth: residual blocks in the whole network.
    """

    def __init__(self, channels: int, shape: BlockShape, depth: int) -> None:
        inside = channels * shape.expansion
        super().__init__(*(FixupBlock(channels, inside, shape.group_width, depth) for _ in range(shape.blocks)))


def resolution_transition(inputs: int, outputs: int, resample: nn.Module, *, up: bool) -> nn.Module:
    """Make what leads from one resolution to the next: the filter, and a 1x1 convolution where the width changes.

    The convolution stands where pixels are fewer: before enlarging, after shrinking.
    """
    if inputs == outputs:
        return resample
    change = HeConvolution(inputs, outputs)
    return nn.Sequential(change, resample) if up else nn.Sequential(resample, change)
