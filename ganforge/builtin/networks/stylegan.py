"""StyleGAN: styles that normalise, noise at each layer, and growth."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from pydantic import Field, NonNegativeInt, PositiveInt
from torch import Tensor, nn

from ganforge.api import DataSpec, Dice, Discriminator, GrowingNetwork
from ganforge.builtin.networks.layers.adaptive_norm import LayerEpilogue
from ganforge.builtin.networks.layers.box_convolution import BilinearConv
from ganforge.builtin.networks.layers.channel_schedule import CHANNEL_MAX, channels_by_resolution
from ganforge.builtin.networks.layers.equalized_layers import LEAKY_RELU_GAIN, EqualizedConv
from ganforge.builtin.networks.layers.mapping_network import MIXING, StyleBasedGenerator, StyleBasedGeneratorNetwork
from ganforge.builtin.networks.layers.minibatch_stddev import GROUP
from ganforge.builtin.networks.layers.progressive_growing import upsample
from ganforge.builtin.networks.layers.running_mean import RunningMean
from ganforge.builtin.networks.progan import BASE, CHANNEL_BASE, ProGANDiscriminatorNetwork


class StyleGANGenerator(StyleBasedGenerator):
    """StyleGAN's generator (Karras et al. 2019, arXiv:1812.04948, fig. 1b, table 1, config F).

    A learned constant, styles by adaptive instance normalisation, noise, and style mixing. In game `progressive` it
    grows, in the paper from 8x8.
    """

    kind: Literal["stylegan"] = "stylegan"
    width_field: ClassVar[str | None] = "channel_base"
    channel_base: int = CHANNEL_BASE
    channel_max: int = CHANNEL_MAX
    mixing: float = MIXING
    style_half_life_images: float = Field(
        default=4_000, gt=0, le=1e9, description="images in which the mean style that truncation leads to half forgets"
    )
    truncated_layers: NonNegativeInt = Field(default=8, description="layers, from the lowest, that truncation reaches")

    def build(self, data: DataSpec) -> StyleGANGeneratorNetwork:
        """Make the network; a `DataError` where the resolution is not a power of two from 8."""
        return StyleGANGeneratorNetwork(self, data)


class StyleGANDiscriminator(Discriminator):
    """StyleGAN's discriminator: ProGAN's, with low-pass filters (Karras et al. 2019, arXiv:1812.04948, sec. 2)."""

    kind: Literal["stylegan"] = "stylegan"
    width_field: ClassVar[str | None] = "channel_base"
    channel_base: int = CHANNEL_BASE
    channel_max: int = CHANNEL_MAX
    group: PositiveInt = GROUP

    def build(self, data: DataSpec) -> ProGANDiscriminatorNetwork:
        """Make the network; a `DataError` where the resolution is not a power of two from 8."""
        channels = channels_by_resolution(self.kind, data, self.channel_base, self.channel_max, BASE)
        return ProGANDiscriminatorNetwork(data, channels, self.group, blur=True)


class StyleGANSynthesisBlock(nn.Module):
    """Twice the resolution: two convolutions, each followed by noise, bias, rectifier and style."""

    def __init__(self, inputs: int, outputs: int, style: int) -> None:
        super().__init__()
        self.upsample_conv = BilinearConv(inputs, outputs)
        self.first = LayerEpilogue(outputs, style)
        self.refine = EqualizedConv(outputs, outputs, 3, bias=False, rectify=False, gain=LEAKY_RELU_GAIN)
        self.second = LayerEpilogue(outputs, style)

    def forward(self, hidden: Tensor, styles: Tensor, noise: list[Tensor]) -> Tensor:
        """Map [B, I, H, W], two styles [B, 2, W] and two noises to [B, O, 2 H, 2 W]."""
        hidden = self.first(self.upsample_conv(hidden), styles[:, 0], noise[0])
        return self.second(self.refine(hidden), styles[:, 1], noise[1])  # type: ignore[no-any-return]


class StyleGANGeneratorNetwork(GrowingNetwork, StyleBasedGeneratorNetwork):
    """Mapping and synthesis; noise is drawn anew for each image, in training and after it.

    The constant begins as noise, as StyleGAN2's does, where the paper has ones: flat channels have no variance to
    divide by, and the first gradients would be thousands of times too large.
    """

    def __init__(self, recipe: StyleGANGenerator, data: DataSpec) -> None:
        super().__init__(recipe, data, recipe.mixing)
        channels = channels_by_resolution(recipe.kind, data, recipe.channel_base, recipe.channel_max, BASE)
        style, self.resolutions, self.truncated_layers = self.style, tuple(channels), recipe.truncated_layers
        self.constant = nn.Parameter(torch.randn(1, channels[4], 4, 4))
        self.first = LayerEpilogue(channels[4], style)
        self.refine = EqualizedConv(channels[4], channels[4], 3, bias=False, rectify=False, gain=LEAKY_RELU_GAIN)
        self.second = LayerEpilogue(channels[4], style)
        self.blocks = nn.ModuleList(
            StyleGANSynthesisBlock(channels[r // 2], channels[r], style) for r in channels if r > 4
        )
        self.to_image = nn.ModuleList(EqualizedConv(c, data.channels, 1, rectify=False) for c in channels.values())
        self.mean_style, self.dice = RunningMean(style, half_life=recipe.style_half_life_images), Dice()
        self.grow(self.resolutions[-1])

    def grow(self, resolution: int, blend: float = 1.0) -> None:
        """Work at `resolution` from here on; an image has two styles for each resolution up to it."""
        super().grow(resolution, blend)
        self.layers = 2 * self.resolutions.index(resolution) + 2

    def track_mean_style(self, style: Tensor) -> None:
        """Note styles for the mean style."""
        self.mean_style.update(style)

    def synthesize(self, styles: Tensor) -> Tensor:
        """Turn styles [B, layers, W] into images [B, C, H, W] of the resolution at hand."""
        level, noise = self.resolutions.index(self.resolution), self._noise(len(styles))
        hidden = self.first(self.constant, styles[:, 0], noise[0])
        before = hidden = self.second(self.refine(hidden), styles[:, 1], noise[1])
        for index, block in enumerate(self.blocks[:level], 1):
            here = slice(2 * index, 2 * index + 2)
            before, hidden = hidden, block(hidden, styles[:, here], noise[here])
        image: Tensor = self.to_image[level](hidden)
        if self.blend < 1:
            image = torch.lerp(upsample(self.to_image[level - 1](before), self.resolution), image, self.blend)
        return image

    def truncated(self, latents: Tensor, labels: Tensor | None, truncation: float) -> Tensor:
        """Return images whose lower layers' styles are drawn towards the mean style (arXiv:1812.04948, app. B)."""
        styles = self.styles(latents, labels)
        reached = torch.arange(self.layers, device=styles.device) < self.truncated_layers
        kept = torch.where(reached, truncation, 1.0).to(styles.dtype)[:, None]  # [layers, 1]
        return self.synthesize(torch.lerp(self.mean_style.value.expand_as(styles), styles, kept))

    def _noise(self, batch: int) -> list[Tensor]:
        sizes = [size for size in self.resolutions if size <= self.resolution]
        drawn = [self.dice.normal(batch, 2, 1, size, size) for size in sizes]  # lower layers' is the same at all stages
        return [part for pair in drawn for part in pair.unbind(1)]
