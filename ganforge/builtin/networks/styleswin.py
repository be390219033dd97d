"""StyleSwin: a style-based generator of transformers."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn
from torch.nn import functional as F

from ganforge.api import DataSpec, RecipeError
from ganforge.builtin.networks.layers.channel_schedule import CHANNEL_BASE_TEXT, channels_by_resolution
from ganforge.builtin.networks.layers.equalized_layers import EqualizedLinear
from ganforge.builtin.networks.layers.fir_resampling import fir_upsample
from ganforge.builtin.networks.layers.mapping_network import STYLE_DECAY, EmaStyleGeneratorNetwork, StyleBasedGenerator
from ganforge.builtin.networks.layers.window_attention import DoubleAttention, linear

BASE = 32_768
_MIN_HEADS, _HEAD_CHANNELS = 4, 32  # a head has 32 channels, unless there would be fewer than four heads


class StyleSwinGenerator(StyleBasedGenerator):
    """StyleSwin's generator (Zhang et al. 2021, arXiv:2112.10762, sec. 3), any power-of-two resolution from 8.

    Two blocks of windowed attention for each resolution, with styles that set the statistics of their inputs (AdaIN),
    sinusoidal positions at each scale, and images that add up over the resolutions. Labels go through the mapping, as
    in StyleGAN2-ADA (arXiv:2006.06676, app. D); the paper has none. Its discriminator is StyleGAN2's, with wavelets.
    """

    kind: Literal["styleswin"] = "styleswin"
    width_field: ClassVar[str | None] = "channel_base"
    channel_base: int = Field(default=BASE, ge=8, le=2**20, description=CHANNEL_BASE_TEXT)
    channel_max: int = Field(default=512, ge=4, le=65_536, description="most channels a layer has")
    window: int = Field(default=8, ge=2, le=64, description="edge length of the windows: 2, 4, 8, ...")
    expansion: PositiveInt = Field(
        default=4, le=64, description="channels inside a multilayer perceptron, relative to outside"
    )
    style_decay: float = STYLE_DECAY

    def build(self, data: DataSpec) -> StyleSwinGeneratorNetwork:
        """Make the network; a `DataError` where the resolution is not a power of two from 8."""
        return StyleSwinGeneratorNetwork(self, data)


def channel_widths(recipe: StyleSwinGenerator, data: DataSpec) -> dict[int, int]:
    """Return the channels by resolution, from 4 to that of the data, each number one that heads can share."""
    channels = channels_by_resolution(recipe.kind, data, recipe.channel_base, recipe.channel_max, BASE)
    if recipe.window & (recipe.window - 1):
        raise RecipeError(f"window = {recipe.window} does not divide every resolution; set it to 2, 4, 8 or 16")
    for size, width in channels.items():
        if width % 4 or width % attention_heads(width) or attention_heads(width) % 2:
            raise RecipeError(
                f"{width} channels at {size}x{size} cannot be parted evenly between heads; choose channel_max and "
                "channel_base so that each resolution has a multiple of 4 up to 128, or above it of 64"
            )
    return channels


def attention_heads(channels: int) -> int:
    """Return how many heads attend."""
    return max(channels // _HEAD_CHANNELS, _MIN_HEADS)


def sinusoidal_positions(resolution: int, channels: int) -> Tensor:
    """Return sinusoids of the row and of the column (Vaswani et al. 2017, sec. 3.5), [R, R, C], C divisible by 4."""
    frequencies = 10_000 ** -torch.linspace(0, 1, channels // 4)
    angles = torch.arange(1, resolution + 1)[:, None] * frequencies  # [R, C / 4]
    waves = torch.cat([angles.sin(), angles.cos()], 1)
    return torch.cat([waves[None].expand(resolution, -1, -1), waves[:, None].expand(-1, resolution, -1)], 2)


class AdaptiveInstanceNorm(nn.Module):
    """Each channel of each image normalised, then scaled and shifted by the style (Huang & Belongie 2017)."""

    def __init__(self, channels: int, style: int) -> None:
        super().__init__()
        self.affine = EqualizedLinear(style, 2 * channels)

    def forward(self, images: Tensor, style: Tensor) -> Tensor:
        """Map images [B, R, R, C] and a style [B, W] to images."""
        scale, shift = self.affine(style)[:, None, None].chunk(2, 3)
        centred = images - images.mean((1, 2), keepdim=True)
        deviation = (centred.square().mean((1, 2), keepdim=True) + 1e-5).sqrt()
        return centred * ((1 + scale) / deviation) + shift  # type: ignore[no-any-return]


class StyleSwinBlock(nn.Module):
    """Attention, then a multilayer perceptron for each pixel; both are added to what came in (eq. 1)."""

    def __init__(self, recipe: StyleSwinGenerator, channels: int, resolution: int, style: int) -> None:
        super().__init__()
        self.norm, self.second_norm = AdaptiveInstanceNorm(channels, style), AdaptiveInstanceNorm(channels, style)
        self.attention = DoubleAttention(channels, resolution, recipe.window, attention_heads(channels))
        inside = channels * recipe.expansion
        self.perceptron = nn.Sequential(linear(channels, inside), nn.GELU(), linear(inside, channels))

    def forward(self, images: Tensor, style: Tensor) -> Tensor:
        """Map images [B, R, R, C] and a style [B, W] to images."""
        images = images + self.attention(self.norm(images, style))
        return images + self.perceptron(self.second_norm(images, style))  # type: ignore[no-any-return]


class BilinearUpsample(nn.Module):
    """Twice the resolution, bilinear; positions are added, at first with weight 0 (sec. 3.3)."""

    waves: Tensor

    def __init__(self, inputs: int, outputs: int, resolution: int) -> None:
        super().__init__()
        self.norm, self.change = nn.LayerNorm(inputs), linear(inputs, outputs, bias=False)
        self.strength = nn.Parameter(torch.zeros(1))
        self.register_buffer("waves", sinusoidal_positions(resolution, outputs), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Map images [B, R / 2, R / 2, I] to [B, R, R, O]."""
        large = F.interpolate(images.permute(0, 3, 1, 2), scale_factor=2, mode="bilinear", align_corners=False)
        return self.change(self.norm(large.permute(0, 2, 3, 1))) + self.strength * self.waves  # type: ignore[no-any-return]


class StyleSwinGeneratorNetwork(EmaStyleGeneratorNetwork):
    """Mapping and synthesis; there is a style for each block, two at each resolution, the same for all."""

    def __init__(self, recipe: StyleSwinGenerator, data: DataSpec) -> None:
        super().__init__(recipe, data, recipe.style_decay)
        channels, style = channel_widths(recipe, data), self.style
        sizes = sorted(channels)
        self.layers = 2 * len(sizes)
        self.constant = nn.Parameter(torch.randn(4, 4, channels[4]))
        self.blocks = nn.ModuleList(
            StyleSwinBlock(recipe, channels[size], size, style) for size in sizes for _ in range(2)
        )
        self.upsample_blocks = nn.ModuleList(
            BilinearUpsample(channels[size // 2], channels[size], size) for size in sizes[1:]
        )
        shown = [*sizes[1:], sizes[-1]]  # at each resolution from 8 what comes in, and at the last what comes out
        self.to_image = nn.ModuleList(linear(channels[size], data.channels) for size in shown)
        self.upsample = fir_upsample(data.channels)

    def synthesize(self, styles: Tensor) -> Tensor:
        """Turn styles [B, layers, W] into images [B, C, H, W]."""
        hidden = self.constant.expand(len(styles), -1, -1, -1)
        image: Tensor | None = None
        for index, to_image in enumerate(self.to_image):
            for layer in (2 * index, 2 * index + 1):
                hidden = self.blocks[layer](hidden, styles[:, layer])
            if index < len(self.upsample_blocks):
                hidden = self.upsample_blocks[index](hidden)
                image = None if image is None else self.upsample(image)
            shown = to_image(hidden).permute(0, 3, 1, 2)
            image = shown if image is None else image + shown
        assert image is not None
        return image
