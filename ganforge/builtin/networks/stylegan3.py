"""StyleGAN3: synthesis that treats features as continuous signals, so that detail moves with what it belongs to."""

from __future__ import annotations

import math
from typing import ClassVar, Literal

import torch
from pydantic import Field, PositiveInt, field_validator
from torch import Tensor, nn

from ganforge.api import DataSpec, EquivariantGenerator
from ganforge.builtin.networks.layers.channel_schedule import check_channels, resolution_of
from ganforge.builtin.networks.layers.equalized_layers import LEAKY_RELU_GAIN, EqualizedLinear
from ganforge.builtin.networks.layers.filtered_leaky_relu import FilteredLeakyReLU, SignalBand
from ganforge.builtin.networks.layers.fourier_features import FourierFeatures
from ganforge.builtin.networks.layers.mapping_network import StyleBasedGenerator, StyleBasedGeneratorNetwork
from ganforge.builtin.networks.layers.modulated_convolution import ToImage, demodulation, modulate
from ganforge.builtin.networks.layers.running_mean import RunningMean

CRITICAL = 2  # layers at the end whose cutoff is the highest frequency that pixels can hold (arXiv:2106.12423, app. F)
FIRST_CUTOFF, FIRST_STOPBAND = 2.0, 2.0**2.1  # of the input, in cycles per image width (app. F)
LAST_STOPBAND = 2.0**0.3  # of the last layers, relative to their cutoff (app. F)
OUTPUT_GAIN = 0.25  # of colours, so that they start well inside [-1, 1]


class StyleGAN3Generator(StyleBasedGenerator):
    """StyleGAN3's generator, equivariant to translation, and as config r to rotation (Karras et al. 2021).

    arXiv:2106.12423. Config t has 3x3 kernels and separable filters; config r has 1x1 kernels, radially symmetric
    filters and, in the paper, twice the channels (channel_base 65536, channel_max 1024).
    """

    kind: Literal["stylegan3"] = "stylegan3"
    width_field: ClassVar[str | None] = "channel_base"
    config: Literal["t", "r"] = Field(default="t", description="t: equivariant to translation; r: to rotation too")
    mapping_layers: PositiveInt = Field(default=2, le=64, description="layers from latent to style")
    layers: int = Field(default=14, gt=CRITICAL, le=64, description="layers of synthesis, colours left out")
    channel_base: int = Field(
        default=32_768, ge=8, le=2**20, description="channels times twice the cutoff, up to channel_max"
    )
    channel_max: int = Field(default=512, ge=1, le=65_536, description="most channels a layer has")
    margin: int = Field(default=10, ge=0, le=64, description="samples around the image that features reach beyond it")
    taps: int = Field(default=6, ge=2, le=16, description="length of filters per factor of resampling, even")
    magnitude_half_life_images: float = Field(
        default=20_000, gt=0, le=1e9, description="half-life of the running magnitudes that features are divided by"
    )
    style_half_life_images: float = Field(
        default=10_000, gt=0, le=1e9, description="half-life of the mean style that truncation leads to"
    )

    @field_validator("taps")
    @classmethod
    def _even(cls, taps: int) -> int:
        if taps % 2:
            raise ValueError(f"expected an even number, given {taps}")
        return taps

    def build(self, data: DataSpec) -> StyleGAN3GeneratorNetwork:
        """Make the network; a `DataError` where the resolution is not a power of two from 8."""
        return StyleGAN3GeneratorNetwork(self, data)


def signal_bands(resolution: int, layers: int, margin: int) -> list[SignalBand]:
    """Return the band of the input, those after each of `layers` layers but the last, and that of the image.

    Cutoffs and stopbands grow geometrically up to the critically sampled layers; the rate is the least power of two
    that holds the stopband (arXiv:2106.12423, sec. 3.2, fig. 4c and app. F).
    """
    found = []
    for index in range(layers + 1):
        fraction = min(index / (layers - CRITICAL), 1.0)
        cutoff = FIRST_CUTOFF * (resolution / 2 / FIRST_CUTOFF) ** fraction
        stopband = FIRST_STOPBAND * (resolution / 2 * LAST_STOPBAND / FIRST_STOPBAND) ** fraction
        rate = 2 ** math.ceil(math.log2(min(2 * stopband, resolution)))
        size = rate + (2 * margin if index < layers - 1 else 0)
        found.append(SignalBand(cutoff, max(stopband, rate / 2) - cutoff, rate, size))
    return found


class AliasFreeLayer(nn.Module):
    """Modulated convolution by running magnitude, and a filtered rectifier (arXiv:2106.12423, fig. 4b).

    Args:
        inputs: channels that come in.
        outputs: channels that go out.
        recipe: of the generator.
        before: the band that comes in.
        after: the band that goes out.
        style: length of a style.
    """

    def __init__(
        self, inputs: int, outputs: int, recipe: StyleGAN3Generator, before: SignalBand, after: SignalBand, style: int
    ) -> None:
        super().__init__()
        kernel = 3 if recipe.config == "t" else 1
        self.padding = kernel - 1  # of zeros, beyond which the convolution sees nothing: sizes grow by as much
        self.magnitude = RunningMean(half_life=recipe.magnitude_half_life_images, start=1.0)
        self.affine = EqualizedLinear(style, inputs, bias=1.0)
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.scale = 1 / math.sqrt(inputs * kernel**2)
        critical = after.cutoff * 2 >= after.rate
        self.rectify = FilteredLeakyReLU(
            outputs,
            SignalBand(before.cutoff, before.half_width, before.rate, before.size + self.padding),
            after,
            taps=recipe.taps,
            radial=recipe.config == "r" and not critical,
            gain=LEAKY_RELU_GAIN,
        )

    def forward(self, images: Tensor, style: Tensor) -> Tensor:
        """Map images [B, I, H, W] and a style [B, W] to [B, O, H', W']."""
        track_magnitude(self.magnitude, images)
        scales, weight = self.affine(style), self.weight * self.scale
        outer = demodulation(weight, scales) * self.magnitude.value.rsqrt()
        result = modulate(images, weight, scales, padding=self.padding)
        dtype = result.dtype
        result = torch.addcmul(self.bias.to(dtype)[:, None, None], result, outer.to(dtype)[:, :, None, None])
        return self.rectify(result)  # type: ignore[no-any-return]


def track_magnitude(magnitude: RunningMean, images: Tensor) -> None:
    """Note the mean square of each of images [B, C, H, W] where they are made in the generator's own turn."""
    if magnitude.training and torch.is_grad_enabled():
        magnitude.update(images.detach().float().square().mean((1, 2, 3)))


class StyleGAN3GeneratorNetwork(StyleBasedGeneratorNetwork, EquivariantGenerator):
    """Mapping, Fourier features, alias-free layers and colours; there is no noise."""

    def __init__(self, recipe: StyleGAN3Generator, data: DataSpec) -> None:
        super().__init__(recipe, data)
        resolution, style = resolution_of(data, recipe.kind), self.style
        check_channels(recipe.channel_base, resolution, "32768 for config t and 65536 for r")
        plan = signal_bands(resolution, recipe.layers, recipe.margin)
        widths = [min(round(recipe.channel_base / 2 / band.cutoff), recipe.channel_max) for band in plan]
        self.mean_style = RunningMean(style, half_life=recipe.style_half_life_images)
        self.features = FourierFeatures(widths[0], style, plan[0])
        self.blocks = nn.ModuleList(
            AliasFreeLayer(
                widths[max(index - 1, 0)], widths[index], recipe, plan[max(index - 1, 0)], plan[index], style
            )
            for index in range(recipe.layers)
        )
        self.magnitude = RunningMean(half_life=recipe.magnitude_half_life_images, start=1.0)
        self.to_image = ToImage(widths[recipe.layers - 1], data.channels, style)
        self.layers = recipe.layers + 2  # styles: one for the features, one for colours

    def track_mean_style(self, style: Tensor) -> None:
        """Note styles for the mean style."""
        self.mean_style.update(style)

    def synthesize(self, styles: Tensor) -> Tensor:
        """Turn styles [B, layers, W] into images [B, C, H, W]."""
        return self._colours(self.features(styles[:, 0]), styles)

    def moved(self, styles: Tensor, motion: Tensor) -> Tensor:
        """Return images [B, C, H, W] of the same styles whose Fourier features were moved by `motion` [B, 3, 3]."""
        return self._colours(self.features(styles[:, 0], motion), styles)

    def truncated(self, latents: Tensor, labels: Tensor | None, truncation: float) -> Tensor:
        """Return images whose styles are drawn towards the mean style (arXiv:1812.04948, app. B)."""
        return self.synthesize(torch.lerp(self.mean_style.value, self.styles(latents, labels), truncation))

    def _colours(self, hidden: Tensor, styles: Tensor) -> Tensor:
        for index, block in enumerate(self.blocks):
            hidden = block(hidden, styles[:, index + 1])
        track_magnitude(self.magnitude, hidden)
        return self.to_image(hidden * self.magnitude.value.rsqrt(), styles[:, -1]) * OUTPUT_GAIN  # type: ignore[no-any-return]
