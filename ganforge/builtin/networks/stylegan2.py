"""StyleGAN2: styles that modulate convolutions, and a residual discriminator."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from ganforge.builtin.networks.layers.equalized import EqualizedConv, EqualizedLinear
from ganforge.builtin.networks.layers.minibatch import MinibatchDeviation
from ganforge.builtin.networks.layers.modulated import ModulatedConv, ToImage
from ganforge.builtin.networks.layers.resample import Resample, doubled, halved
from ganforge.data import DataSpec
from ganforge.dice import Dice
from ganforge.errors import DataError, RecipeError
from ganforge.families import Discriminator, Generator
from ganforge.network import FeatureDiscriminator, StyleGenerator
from ganforge.tally import Tally

CHANNEL_BASE = Field(default=32_768, ge=8, description="channels times resolution, as far as channel_max allows")
CHANNEL_MAX = Field(default=512, ge=1, description="most channels a layer has")


class StyleGAN2Generator(Generator):
    """StyleGAN2's generator, config F (Karras et al. 2020, arXiv:1912.04958), conditional as in arXiv:2006.06676."""

    kind: Literal["stylegan2"] = "stylegan2"
    latent: PositiveInt = Field(default=512, description="length L of a latent")
    style: PositiveInt | None = Field(default=None, description="length W of a style; as long as a latent by default")
    mapping_layers: PositiveInt = Field(default=8, description="layers from latent to style")
    mapping_lr: float = Field(default=0.01, gt=0, le=1, description="learning rate of these layers, relative to others")
    channel_base: int = CHANNEL_BASE
    channel_max: int = CHANNEL_MAX
    mixing: float = Field(default=0.9, ge=0, le=1, description="share of samples in training that mix two styles")
    style_decay: float = Field(
        default=0.998, ge=0, lt=1, description="decay, by turn, of the mean style that truncation leads to"
    )

    def build(self, data: DataSpec) -> StyleGAN2GeneratorNetwork:
        """Make the network; a `DataError` where the resolution is not a power of two from 8."""
        return StyleGAN2GeneratorNetwork(self, data)


class StyleGAN2Discriminator(Discriminator):
    """StyleGAN2's residual discriminator (Karras et al. 2020, arXiv:1912.04958), conditional as in arXiv:2006.06676."""

    kind: Literal["stylegan2"] = "stylegan2"
    channel_base: int = CHANNEL_BASE
    channel_max: int = CHANNEL_MAX
    mapping_layers: PositiveInt = Field(default=8, description="layers that map a label, where there are labels")
    mapping_lr: float = Field(default=0.01, gt=0, le=1, description="learning rate of these layers, relative to others")
    group: PositiveInt = Field(default=4, description="neighbouring samples over which the deviation is taken")

    def build(self, data: DataSpec) -> StyleGAN2DiscriminatorNetwork:
        """Make the network; a `DataError` where the resolution is not a power of two from 8."""
        return StyleGAN2DiscriminatorNetwork(self, data)


def pyramid(data: DataSpec, base: int, most: int) -> dict[int, int]:
    """Return the channels by resolution, from 4 to that of the data."""
    resolution = data.resolution
    if resolution < 8 or resolution & (resolution - 1):
        raise DataError(
            f"stylegan2 makes images of 8, 16, 32, 64, ... pixels, and the data have {resolution}; set the data's "
            f"resolution to {2 ** max(3, round(math.log2(max(resolution, 1))))}"
        )
    if base < resolution:
        raise RecipeError(
            f"channel_base = {base} leaves less than one channel at resolution {resolution}; set it to {resolution} "
            "or more (the paper has 32768)"
        )
    return {2**level: min(base // 2**level, most) for level in range(2, resolution.bit_length())}


def normalized(features: Tensor) -> Tensor:
    """Scale features [B, D] to a mean square of 1."""
    return features * (features.square().mean(1, keepdim=True) + 1e-8).rsqrt()


class Mapping(nn.Module):
    """The mapping network: latents and labels to styles (arXiv:1912.04958, app. B; arXiv:2006.06676, app. D).

    Args:
        latent: length of a latent; 0 = only the label counts.
        data: what labels mean.
        style: length of a style.
        layers: how many there are.
        lr_multiplier: of their learning rate.
    """

    def __init__(self, latent: int, data: DataSpec, style: int, layers: int, lr_multiplier: float) -> None:
        super().__init__()
        self.data = data
        self.embedding = EqualizedLinear(data.label_size, style) if data.label_size else None
        width = latent + (style if data.label_size else 0)
        self.layers = nn.Sequential(
            *(
                EqualizedLinear(width if index == 0 else style, style, lr_multiplier=lr_multiplier, rectify=True)
                for index in range(layers)
            )
        )

    def forward(self, latents: Tensor | None, labels: Tensor | None) -> Tensor:
        """Map latents [B, L] and labels [B] to styles [B, W]."""
        parts = [] if latents is None else [normalized(latents)]
        if self.embedding is not None:
            parts.append(normalized(self.embedding(self.data.encode(labels))))
        return self.layers(parts[0] if len(parts) == 1 else torch.cat(parts, 1))  # type: ignore[no-any-return]


class SynthesisBlock(nn.Module):
    """One resolution of the skip generator (arXiv:1912.04958, fig. 7b)."""

    def __init__(self, inputs: int, outputs: int, style: int, colours: int) -> None:
        super().__init__()
        self.enlarge = ModulatedConv(inputs, outputs, style, up=True)
        self.refine = ModulatedConv(outputs, outputs, style)
        self.to_image = ToImage(outputs, colours, style)
        self.upsample = doubled(colours)

    def forward(self, hidden: Tensor, image: Tensor, styles: Tensor, noise: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Map what the block below made, three styles [B, 3, W] and two noises to twice the resolution."""
        hidden = self.enlarge(hidden, styles[:, 0], noise[0])
        hidden = self.refine(hidden, styles[:, 1], noise[1])
        return hidden, self.upsample(image) + self.to_image(hidden, styles[:, 2])


class StyleGAN2GeneratorNetwork(StyleGenerator):
    """Mapping and synthesis; noise is drawn anew for each image, in training and after it."""

    mean_style: Tensor

    def __init__(self, recipe: StyleGAN2Generator, data: DataSpec) -> None:
        super().__init__()
        channels = pyramid(data, recipe.channel_base, recipe.channel_max)
        style = recipe.style or recipe.latent
        self.latent, self.mixing, self.style_decay = recipe.latent, recipe.mixing, recipe.style_decay
        self.mapping = Mapping(recipe.latent, data, style, recipe.mapping_layers, recipe.mapping_lr)
        self.seed = nn.Parameter(torch.randn(1, channels[4], 4, 4))
        self.refine = ModulatedConv(channels[4], channels[4], style)
        self.to_image = ToImage(channels[4], data.channels, style)
        self.blocks = nn.ModuleList(
            SynthesisBlock(channels[size // 2], channels[size], style, data.channels) for size in channels if size > 4
        )
        self.layers = 2 * len(channels)  # 4x4 has two, each further block two more, for it shares one with the next
        self.sizes = [4] + [size for size in channels if size > 4 for _ in range(2)]
        self.register_buffer("mean_style", torch.zeros(style))
        self.seen_styles, self.dice = Tally(style), Dice()

    def forward(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return images [B, C, H, W]."""
        return self.synthesize(self.styles(latents, labels))

    def styles(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        """Map latents [B, L] to styles [B, layers, W]; in training some change to another latent's on the way up."""
        style = self.mapping(latents, labels)
        if not self.training:
            return style[:, None].expand(-1, self.layers, -1)  # type: ignore[no-any-return]
        if torch.is_grad_enabled():
            self._follow(style)
        if self.mixing == 0:
            return style[:, None].expand(-1, self.layers, -1)  # type: ignore[no-any-return]
        batch, layers = len(latents), torch.arange(self.layers, device=latents.device)
        other = self.mapping(self.dice.normal(batch, self.latent), labels)
        first = 1 + self.dice.integers(self.layers - 1, batch)  # the first layer of the other style
        mixed = self.dice.uniform(batch) < self.mixing
        swapped = mixed[:, None] & (layers >= first[:, None])  # [B, layers]
        return torch.where(swapped[:, :, None], other[:, None], style[:, None])

    def synthesize(self, styles: Tensor) -> Tensor:
        """Turn styles [B, layers, W] into images [B, C, H, W]."""
        noise = self._noise(len(styles))
        hidden = self.refine(self.seed, styles[:, 0], noise[0])
        image = self.to_image(hidden, styles[:, 1])
        for index, block in enumerate(self.blocks):
            first = 1 + 2 * index
            hidden, image = block(hidden, image, styles[:, first : first + 3], noise[first : first + 2])
        return image  # type: ignore[no-any-return]

    def truncated(self, latents: Tensor, labels: Tensor | None, truncation: float) -> Tensor:
        """Return images whose styles are drawn towards the mean style (arXiv:1812.04948, app. B)."""
        return self.synthesize(torch.lerp(self.mean_style, self.styles(latents, labels), truncation))

    def _noise(self, batch: int) -> list[Tensor]:
        pixels = [size**2 for size in self.sizes]
        parts = self.dice.normal(batch, sum(pixels)).split(pixels, 1)  # type: ignore[no-untyped-call]
        return [part.view(batch, 1, size, size) for part, size in zip(parts, self.sizes, strict=True)]

    @torch.no_grad()
    def _follow(self, style: Tensor) -> None:
        """Move the mean style towards what was seen up to the last turn, and note what is seen in this one."""
        seen = self.seen_styles
        weight = seen.count.clamp(max=1.0) * (1 - self.style_decay)  # 0 where nothing new was settled
        self.mean_style.lerp_(seen.take(), weight)
        seen.add(style)


class DiscriminatorBlock(nn.Module):
    """Two convolutions and a shortcut that halve the resolution (arXiv:1912.04958, fig. 7c); variance is kept."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.refine = EqualizedConv(inputs, inputs, 3)
        self.blur = Resample(inputs, padding=2)
        self.shrink = EqualizedConv(inputs, outputs, 3, stride=2, gain=math.sqrt(0.5))
        self.halve = halved(inputs)
        self.shortcut = EqualizedConv(inputs, outputs, 1, bias=False, rectify=False, gain=math.sqrt(0.5))

    def forward(self, hidden: Tensor) -> Tensor:
        """Map [B, I, H, W] to [B, O, H / 2, W / 2]."""
        return self.shortcut(self.halve(hidden)) + self.shrink(self.blur(self.refine(hidden)))  # type: ignore[no-any-return]


class StyleGAN2DiscriminatorNetwork(FeatureDiscriminator):
    """A residual pyramid, the deviation over neighbours, and a projection on the label's embedding."""

    def __init__(self, recipe: StyleGAN2Discriminator, data: DataSpec) -> None:
        super().__init__()
        channels = pyramid(data, recipe.channel_base, recipe.channel_max)
        width = channels[4]
        self.batch_group = recipe.group
        self.from_image = EqualizedConv(data.channels, channels[data.resolution], 1)
        self.blocks = nn.Sequential(
            *(DiscriminatorBlock(channels[size], channels[size // 2]) for size in reversed(channels) if size > 4)
        )
        self.deviation = MinibatchDeviation(recipe.group)
        self.refine = EqualizedConv(width + 1, width, 3)
        self.gather = EqualizedLinear(width * 16, width, rectify=True)
        self.score = EqualizedLinear(width, width if data.label_size else 1)
        self.mapping = Mapping(0, data, width, recipe.mapping_layers, recipe.mapping_lr) if data.label_size else None

    @property
    def width(self) -> int:
        """Numbers that the last layer scores."""
        return self.score.weight.shape[1]

    def examine(self, samples: Tensor, labels: Tensor | None = None) -> tuple[Tensor, Sequence[Tensor]]:
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
