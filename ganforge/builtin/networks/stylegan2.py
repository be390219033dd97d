"""StyleGAN2: styles that modulate convolutions, and a residual discriminator."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar, Literal

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from ganforge.api import DataSpec, Dice, Discriminator, FeatureDiscriminator
from ganforge.builtin.networks.layers.channel_schedule import CHANNEL_BASE_TEXT, CHANNEL_MAX, channels_by_resolution
from ganforge.builtin.networks.layers.equalized_layers import EqualizedConv, EqualizedLinear
from ganforge.builtin.networks.layers.fir_resampling import FirResample, fir_downsample, fir_upsample
from ganforge.builtin.networks.layers.mapping_network import (
    MIXING,
    STYLE_DECAY,
    EmaStyleGeneratorNetwork,
    MappingNetwork,
    StyleBasedGenerator,
)
from ganforge.builtin.networks.layers.minibatch_stddev import GROUP, MinibatchStddevLayer
from ganforge.builtin.networks.layers.modulated_convolution import ModulatedConv, ToImage

BASE = 32_768
CHANNEL_BASE = Field(default=BASE, ge=8, le=2**20, description=CHANNEL_BASE_TEXT)


class StyleGAN2Generator(StyleBasedGenerator):
    """StyleGAN2's generator, config F (Karras et al. 2020, arXiv:1912.04958), conditional as in arXiv:2006.06676."""

    kind: Literal["stylegan2"] = "stylegan2"
    width_field: ClassVar[str | None] = "channel_base"
    channel_base: int = CHANNEL_BASE
    channel_max: int = CHANNEL_MAX
    mixing: float = MIXING
    style_decay: float = STYLE_DECAY

    def build(self, data: DataSpec) -> StyleGAN2GeneratorNetwork:
        """Make the network; a `DataError` where the resolution is not a power of two from 8."""
        return StyleGAN2GeneratorNetwork(self, data)


class StyleGAN2Discriminator(Discriminator):
    """StyleGAN2's residual discriminator (Karras et al. 2020, arXiv:1912.04958), conditional as in arXiv:2006.06676."""

    kind: Literal["stylegan2"] = "stylegan2"
    width_field: ClassVar[str | None] = "channel_base"
    channel_base: int = CHANNEL_BASE
    channel_max: int = CHANNEL_MAX
    mapping_layers: PositiveInt = Field(default=8, le=64, description="layers that map a label, where there are labels")
    mapping_lr: float = Field(default=0.01, gt=0, le=1, description="learning rate of these layers, relative to others")
    group: PositiveInt = GROUP

    def build(self, data: DataSpec) -> StyleGAN2DiscriminatorNetwork:
        """Make the network; a `DataError` where the resolution is not a power of two from 8."""
        return StyleGAN2DiscriminatorNetwork(self, data)


class StyleGAN2SynthesisBlock(nn.Module):
    """One resolution of the skip generator (arXiv:1912.04958, fig. 7b)."""

    def __init__(self, inputs: int, outputs: int, style: int, colours: int) -> None:
        super().__init__()
        self.upsample_conv = ModulatedConv(inputs, outputs, style, up=True)
        self.refine = ModulatedConv(outputs, outputs, style)
        self.to_image = ToImage(outputs, colours, style)
        self.upsample = fir_upsample(colours)

    def forward(self, hidden: Tensor, image: Tensor, styles: Tensor, noise: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Map what the block below made, three styles [B, 3, W] and two noises to twice the resolution."""
        hidden = self.upsample_conv(hidden, styles[:, 0], noise[0])
        hidden = self.refine(hidden, styles[:, 1], noise[1])
        return hidden, self.upsample(image) + self.to_image(hidden, styles[:, 2])


class StyleGAN2GeneratorNetwork(EmaStyleGeneratorNetwork):
    """Mapping and synthesis; noise is drawn anew for each image, in training and after it."""

    def __init__(self, recipe: StyleGAN2Generator, data: DataSpec) -> None:
        super().__init__(recipe, data, recipe.style_decay, recipe.mixing)
        channels = channels_by_resolution(recipe.kind, data, recipe.channel_base, recipe.channel_max, BASE)
        style, self.dice = self.style, Dice()
        self.constant = nn.Parameter(torch.randn(1, channels[4], 4, 4))
        self.refine = ModulatedConv(channels[4], channels[4], style)
        self.to_image = ToImage(channels[4], data.channels, style)
        self.blocks = nn.ModuleList(
            StyleGAN2SynthesisBlock(channels[size // 2], channels[size], style, data.channels)
            for size in channels
            if size > 4
        )
        self.layers = 2 * len(channels)  # 4x4 has two, each further block two more, for it shares one with the next
        self.sizes = [4] + [size for size in channels if size > 4 for _ in range(2)]

    def synthesize(self, styles: Tensor) -> Tensor:
        """Turn styles [B, layers, W] into images [B, C, H, W]."""
        noise = self._noise(len(styles))
        hidden = self.refine(self.constant, styles[:, 0], noise[0])
        image = self.to_image(hidden, styles[:, 1])
        for index, block in enumerate(self.blocks):
            first = 1 + 2 * index
            hidden, image = block(hidden, image, styles[:, first : first + 3], noise[first : first + 2])
        return image  # type: ignore[no-any-return]

    def _noise(self, batch: int) -> list[Tensor]:
        pixels = [size**2 for size in self.sizes]
        parts = self.dice.normal(batch, sum(pixels)).split(pixels, 1)  # type: ignore[no-untyped-call]
        return [part.view(batch, 1, size, size) for part, size in zip(parts, self.sizes, strict=True)]


class StyleGAN2DiscriminatorBlock(nn.Module):
    """Two convolutions and a shortcut that halve the resolution (arXiv:1912.04958, fig. 7c); variance is kept."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.refine = EqualizedConv(inputs, inputs, 3)
        self.blur = FirResample(inputs, padding=2)
        self.shrink = EqualizedConv(inputs, outputs, 3, stride=2, gain=math.sqrt(0.5))
        self.halve = fir_downsample(inputs)
        self.shortcut = EqualizedConv(inputs, outputs, 1, bias=False, rectify=False, gain=math.sqrt(0.5))

    def forward(self, hidden: Tensor) -> Tensor:
        """Map [B, I, H, W] to [B, O, H / 2, W / 2]."""
        return self.shortcut(self.halve(hidden)) + self.shrink(self.blur(self.refine(hidden)))  # type: ignore[no-any-return]


class StyleGAN2DiscriminatorNetwork(FeatureDiscriminator):
    """A residual pyramid, the deviation over neighbours, and a projection on the label's embedding."""

    def __init__(self, recipe: StyleGAN2Discriminator, data: DataSpec) -> None:
        super().__init__()
        channels = channels_by_resolution(recipe.kind, data, recipe.channel_base, recipe.channel_max, BASE)
        width = channels[4]
        self.batch_group = recipe.group
        self.from_image = EqualizedConv(data.channels, channels[data.resolution], 1)
        self.blocks = nn.Sequential(
            *(
                StyleGAN2DiscriminatorBlock(channels[size], channels[size // 2])
                for size in reversed(channels)
                if size > 4
            )
        )
        self.deviation = MinibatchStddevLayer(recipe.group)
        self.refine = EqualizedConv(width + 1, width, 3)
        self.gather = EqualizedLinear(width * 16, width, rectify=True)
        self.score = EqualizedLinear(width, width if data.label_size else 1)
        self.mapping = (
            MappingNetwork(0, data, width, recipe.mapping_layers, recipe.mapping_lr) if data.label_size else None
        )

    @property
    def width(self) -> int:
        """Numbers that the last layer scores."""
        return self.score.weight.shape[1]

    def forward_features(self, samples: Tensor, labels: Tensor | None = None) -> tuple[Tensor, Sequence[Tensor]]:
        """Return logits [B] and what each block gave, [B, C, H, W], the last of them flat [B, F]."""
        hidden, activations = self.from_image(samples), []
        for block in self.blocks:
            hidden = block(hidden)
            activations.append(hidden)
        last = self.gather(self.refine(self.deviation(hidden)).flatten(1))
        scores = self.score(last)
        if self.mapping is None:
            return scores[:, 0], [*activations, last]
        return (scores * self.mapping(None, labels)).sum(1) / math.sqrt(scores.shape[1]), [*activations, last]
