"""ProGAN: a generator and a discriminator that grow."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar, Literal

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn
from torch.nn import functional as F

from ganforge.api import DataSpec, Discriminator, FeatureDiscriminator, Generator, GeneratorNetwork, GrowingNetwork
from ganforge.builtin.networks.layers.box_convolution import BoxConv
from ganforge.builtin.networks.layers.channel_schedule import CHANNEL_BASE_TEXT, CHANNEL_MAX, channels_by_resolution
from ganforge.builtin.networks.layers.equalized_layers import (
    LEAKY_RELU_GAIN,
    LEAKY_RELU_SLOPE,
    EqualizedConv,
    EqualizedLinear,
)
from ganforge.builtin.networks.layers.fir_resampling import FirResample
from ganforge.builtin.networks.layers.label_concatenation import concatenate_labels
from ganforge.builtin.networks.layers.minibatch_stddev import GROUP, MinibatchStddevLayer
from ganforge.builtin.networks.layers.pixel_norm import pixel_norm
from ganforge.builtin.networks.layers.progressive_growing import downsample, upsample

BASE = 16_384
CHANNEL_BASE = Field(default=BASE, ge=8, le=2**20, description=CHANNEL_BASE_TEXT)


class ProGANGenerator(Generator):
    """ProGAN's generator (Karras et al. 2018, arXiv:1710.10196, table 2): pixel norm, equalised learning rate.

    Latents are put on a hypersphere; labels are appended to them. In game `progressive` it grows from 4x4.
    """

    kind: Literal["progan"] = "progan"
    width_field: ClassVar[str | None] = "channel_base"
    latent: PositiveInt = Field(default=512, le=65_536, description="length L of a latent")
    channel_base: int = CHANNEL_BASE
    channel_max: int = CHANNEL_MAX

    def build(self, data: DataSpec) -> ProGANGeneratorNetwork:
        """Make the network; a `DataError` where the resolution is not a power of two from 8."""
        return ProGANGeneratorNetwork(self, data)


class ProGANDiscriminator(Discriminator):
    """ProGAN's discriminator (Karras et al. 2018, arXiv:1710.10196, table 2): its generator, mirrored.

    It sees how much neighbouring samples vary (sec. 3). Labels are appended to what its last hidden layer is given.
    """

    kind: Literal["progan"] = "progan"
    width_field: ClassVar[str | None] = "channel_base"
    channel_base: int = CHANNEL_BASE
    channel_max: int = CHANNEL_MAX
    group: PositiveInt = GROUP

    def build(self, data: DataSpec) -> ProGANDiscriminatorNetwork:
        """Make the network; a `DataError` where the resolution is not a power of two from 8."""
        channels = channels_by_resolution(self.kind, data, self.channel_base, self.channel_max, BASE)
        return ProGANDiscriminatorNetwork(data, channels, self.group)


class InitialBlock(nn.Module):
    """From a vector [B, N] to an image [B, C, 4, 4], rectified: a dense layer with a bias for each channel."""

    def __init__(self, inputs: int, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(16 * channels, inputs))  # pixel by pixel, so that it is channels_last
        self.bias = nn.Parameter(torch.zeros(channels))
        self.scale = LEAKY_RELU_GAIN / math.sqrt(inputs)

    def forward(self, vectors: Tensor) -> Tensor:
        """Map [B, N] to [B, C, 4, 4]."""
        pixels = (vectors @ (self.weight * self.scale).t()).view(len(vectors), 4, 4, -1)
        return F.leaky_relu(pixels + self.bias * LEAKY_RELU_GAIN, LEAKY_RELU_SLOPE).permute(0, 3, 1, 2)


class ProGANGeneratorBlock(nn.Module):
    """Twice the resolution: two convolutions, each with a rectifier and pixel norm after it."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.upsample_conv = BoxConv(inputs, outputs, up=True)
        self.refine = EqualizedConv(outputs, outputs, 3)

    def forward(self, hidden: Tensor) -> Tensor:
        """Map [B, I, H, W] to [B, O, 2 H, 2 W]."""
        return pixel_norm(self.refine(pixel_norm(self.upsample_conv(hidden))))


class ProGANGeneratorNetwork(GrowingNetwork, GeneratorNetwork):
    """From 4x4 up; each resolution has a way of its own to colours."""

    def __init__(self, recipe: ProGANGenerator, data: DataSpec) -> None:
        super().__init__()
        channels = channels_by_resolution(recipe.kind, data, recipe.channel_base, recipe.channel_max, BASE)
        self.data, self.latent, self.resolutions = data, recipe.latent, tuple(channels)
        self.initial_block = InitialBlock(recipe.latent + data.label_size, channels[4])
        self.refine = EqualizedConv(channels[4], channels[4], 3)
        self.blocks = nn.ModuleList(ProGANGeneratorBlock(channels[r // 2], channels[r]) for r in channels if r > 4)
        self.to_image = nn.ModuleList(EqualizedConv(c, data.channels, 1, rectify=False) for c in channels.values())
        self.grow(self.resolutions[-1])

    def forward(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return images [B, C, H, W] of the resolution at hand."""
        level = self.resolutions.index(self.resolution)
        before = hidden = self._first_resolution(latents, labels)
        for block in self.blocks[:level]:
            before, hidden = hidden, block(hidden)
        image: Tensor = self.to_image[level](hidden)
        if self.blend < 1:
            image = torch.lerp(upsample(self.to_image[level - 1](before), self.resolution), image, self.blend)
        return image

    def _first_resolution(self, latents: Tensor, labels: Tensor | None) -> Tensor:
        hidden = pixel_norm(self.initial_block(concatenate_labels(pixel_norm(latents), labels, self.data)))
        return pixel_norm(self.refine(hidden))


def downsampling_block(inputs: int, outputs: int, blur: bool) -> nn.Sequential:
    """Make one resolution of the discriminator, from which half of it leaves.

    With `blur` the last convolution follows a low-pass filter (Karras et al. 2019, arXiv:1812.04948, sec. 2): that
    binomial filter of 3 taps and the mean of boxes after the convolution are together one of 4.
    """
    refine = EqualizedConv(inputs, inputs, 3)
    if blur:
        return nn.Sequential(refine, FirResample(inputs, padding=2), EqualizedConv(inputs, outputs, 3, stride=2))
    return nn.Sequential(refine, BoxConv(inputs, outputs, up=False))


class ProGANDiscriminatorNetwork(GrowingNetwork, FeatureDiscriminator):
    """Down to 4x4; each resolution has a way of its own from colours.

    Args:
        data: what it scores.
        channels: by resolution, ascending from 4.
        group: neighbouring samples over which the deviation is taken.
        blur: see `downsampling_block`.
    """

    def __init__(self, data: DataSpec, channels: dict[int, int], group: int, *, blur: bool = False) -> None:
        super().__init__()
        self.data, self.resolutions, self.batch_group = data, tuple(channels), group
        smallest = channels[4]
        self.from_image = nn.ModuleList(EqualizedConv(data.channels, c, 1) for c in channels.values())
        self.blocks = nn.ModuleList(downsampling_block(channels[r], channels[r // 2], blur) for r in channels if r > 4)
        self.deviation = MinibatchStddevLayer(group)
        self.refine = EqualizedConv(smallest + 1, smallest, 3)
        self.gather = EqualizedLinear(smallest * 16 + data.label_size, smallest, rectify=True)
        self.score = EqualizedLinear(smallest, 1)
        self.grow(self.resolutions[-1])

    @property
    def width(self) -> int:
        """Numbers that the last layer scores."""
        return self.score.weight.shape[1]

    def forward_features(self, samples: Tensor, labels: Tensor | None = None) -> tuple[Tensor, Sequence[Tensor]]:
        """Return logits [B] and what each resolution gave, [B, C, H, W], the last of them flat [B, F]."""
        level = self.resolutions.index(self.resolution)
        hidden, activations = self.from_image[level](samples), []
        for below in range(level - 1, -1, -1):
            hidden = self.blocks[below](hidden)
            if below == level - 1 and self.blend < 1:
                half = self.from_image[below](downsample(samples, self.resolutions[below]))
                hidden = torch.lerp(half, hidden, self.blend)
            activations.append(hidden)
        pixels = self.refine(self.deviation(hidden)).flatten(1)
        last = self.gather(concatenate_labels(pixels, labels, self.data))
        return self.score(last)[:, 0], [*activations, last]
