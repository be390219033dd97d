"""StyleGAN: styles that normalise, noise at each layer, and growth."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field, NonNegativeInt, PositiveInt
from torch import Tensor, nn

from ganforge.builtin.networks.layers.adaptive_norm import Epilogue
from ganforge.builtin.networks.layers.box_convolution import BilinearConv
from ganforge.builtin.networks.layers.equalized import RESCALE, EqualizedConv
from ganforge.builtin.networks.layers.growth import channels_by_resolution, enlarged
from ganforge.builtin.networks.layers.running import RunningMean
from ganforge.builtin.networks.progan import CHANNEL_BASE, CHANNEL_MAX, GROUP, ProGANDiscriminatorNetwork
from ganforge.builtin.networks.stylegan2 import Mapping
from ganforge.data import DataSpec
from ganforge.dice import Dice
from ganforge.families import Discriminator, Generator
from ganforge.network import Growing, StyleGenerator


class StyleGANGenerator(Generator):
    """StyleGAN's generator (Karras et al. 2019, arXiv:1812.04948, fig. 1b, table 1, config F).

    A learned constant, styles by adaptive instance normalisation, noise, and style mixing. In game `progressive` it
    grows, in the paper from 8x8.
    """

    kind: Literal["stylegan"] = "stylegan"
    latent: PositiveInt = Field(default=512, description="length L of a latent")
    style: PositiveInt | None = Field(default=None, description="length W of a style; as long as a latent by default")
    mapping_layers: PositiveInt = Field(default=8, description="layers from latent to style")
    mapping_lr: float = Field(default=0.01, gt=0, le=1, description="learning rate of these layers, relative to others")
    channel_base: int = CHANNEL_BASE
    channel_max: int = CHANNEL_MAX
    mixing: float = Field(default=0.9, ge=0, le=1, description="share of samples in training that mix two styles")
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
    channel_base: int = CHANNEL_BASE
    channel_max: int = CHANNEL_MAX
    group: PositiveInt = GROUP

    def build(self, data: DataSpec) -> ProGANDiscriminatorNetwork:
        """Make the network; a `DataError` where the resolution is not a power of two from 8."""
        channels = channels_by_resolution(self.kind, data, self.channel_base, self.channel_max)
        return ProGANDiscriminatorNetwork(data, channels, self.group, blur=True)


class SynthesisBlock(nn.Module):
    """Twice the resolution: two convolutions, each followed by noise, bias, rectifier and style."""

    def __init__(self, inputs: int, outputs: int, style: int) -> None:
        super().__init__()
        self.enlarge = BilinearConv(inputs, outputs)
        self.first = Epilogue(outputs, style)
        self.refine = EqualizedConv(outputs, outputs, 3, bias=False, rectify=False, gain=RESCALE)
        self.second = Epilogue(outputs, style)

    def forward(self, hidden: Tensor, styles: Tensor, noise: list[Tensor]) -> Tensor:
        """Map [B, I, H, W], two styles [B, 2, W] and two noises to [B, O, 2 H, 2 W]."""
        hidden = self.first(self.enlarge(hidden), styles[:, 0], noise[0])
        return self.second(self.refine(hidden), styles[:, 1], noise[1])  # type: ignore[no-any-return]


class StyleGANGeneratorNetwork(Growing, StyleGenerator):
    """Mapping and synthesis; noise is drawn anew for each image, in training and after it.

    The constant begins as noise, as StyleGAN2's does, where the paper has ones: flat channels have no variance to
    divide by, and the first gradients would be thousands of times too large.
    """

    def __init__(self, recipe: StyleGANGenerator, data: DataSpec) -> None:
        super().__init__()
        channels = channels_by_resolution(recipe.kind, data, recipe.channel_base, recipe.channel_max)
        style, self.resolutions = recipe.style or recipe.latent, tuple(channels)
        self.latent, self.mixing, self.truncated_layers = recipe.latent, recipe.mixing, recipe.truncated_layers
        self.mapping = Mapping(recipe.latent, data, style, recipe.mapping_layers, recipe.mapping_lr)
        self.seed = nn.Parameter(torch.randn(1, channels[4], 4, 4))
        self.first = Epilogue(channels[4], style)
        self.refine = EqualizedConv(channels[4], channels[4], 3, bias=False, rectify=False, gain=RESCALE)
        self.second = Epilogue(channels[4], style)
        self.blocks = nn.ModuleList(SynthesisBlock(channels[r // 2], channels[r], style) for r in channels if r > 4)
        self.to_image = nn.ModuleList(EqualizedConv(c, data.channels, 1, rectify=False) for c in channels.values())
        self.mean_style, self.dice = RunningMean(style, half_life=recipe.style_half_life_images), Dice()
        self.grow(self.resolutions[-1])

    @property
    def layers(self) -> int:
        """How many styles an image of the resolution at hand has: two for each resolution up to it."""
        return 2 * self.resolutions.index(self.resolution) + 2

    def forward(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return images [B, C, H, W] of the resolution at hand."""
        return self.synthesize(self.styles(latents, labels))

    def styles(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        """Map latents [B, L] to styles [B, layers, W]; in training some change to another latent's on the way up."""
        style = self.mapping(latents, labels)
        if self.training and torch.is_grad_enabled():
            self.mean_style.follow(style)
        if not self.training or self.mixing == 0:
            return style[:, None].expand(-1, self.layers, -1)  # type: ignore[no-any-return]
        batch, layers = len(latents), torch.arange(self.layers, device=latents.device)
        other = self.mapping(self.dice.normal(batch, self.latent), labels)
        first = 1 + self.dice.integers(self.layers - 1, batch)  # the first layer of the other style
        mixed = self.dice.uniform(batch) < self.mixing
        swapped = mixed[:, None] & (layers >= first[:, None])  # [B, layers]
        return torch.where(swapped[:, :, None], other[:, None], style[:, None])

    def synthesize(self, styles: Tensor) -> Tensor:
        """Turn styles [B, layers, W] into images [B, C, H, W] of the resolution at hand."""
        level, noise = self.resolutions.index(self.resolution), self._noise(len(styles))
        hidden = self.first(self.seed, styles[:, 0], noise[0])
        before = hidden = self.second(self.refine(hidden), styles[:, 1], noise[1])
        for index, block in enumerate(self.blocks[:level], 1):
            here = slice(2 * index, 2 * index + 2)
            before, hidden = hidden, block(hidden, styles[:, here], noise[here])
        image: Tensor = self.to_image[level](hidden)
        if self.blend < 1:
            image = torch.lerp(enlarged(self.to_image[level - 1](before), self.resolution), image, self.blend)
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
