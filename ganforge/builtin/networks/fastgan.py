"""FastGAN's generator."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from ganforge.api import DataError, DataSpec, Dice, Generator, GeneratorNetwork
from ganforge.builtin.networks.layers.label_concatenation import concatenate_labels

Layout = Literal["liu", "sauer", "lite"]
# Channels as multiples of the width, by resolution: the authors' code.
_WIDTH_MULTIPLIERS = {4: 16.0, 8: 8.0, 16: 4.0, 32: 2.0, 64: 2.0, 128: 1.0, 256: 0.5, 512: 0.25, 1024: 0.125}
_EXCITATION_FACTOR = 16  # a skip excitation goes from one resolution to so many times that
_EXCITED_RESOLUTIONS = (64, 128, 256, 512)  # the resolutions at which it arrives


class FastganGenerator(Generator):
    """FastGAN generator (Liu et al. 2021, arXiv:2101.04775, sec. 3.1), any power-of-two resolution from 8 to 1024.

    Nearest-neighbour doubling, 3x3 convolution, BatchNorm and gated linear units; from 64x64 on the channels are
    weighted by what the features at a sixteenth of the resolution say (skip-layer excitation, eq. 1). The
    authors' spectral normalisation is the constraint `spectral-norm`. Labels are appended to the latents.
    """

    kind: Literal["fastgan"] = "fastgan"
    width_field: ClassVar[str | None] = "width"
    latent: int = Field(default=256, ge=1, le=4096, description="length L of a latent")
    width: int = Field(
        default=64, ge=8, le=1024, multiple_of=8, description="channels at 128x128; 2 x at 32 and 64, 16 x at 4x4"
    )
    layout: Layout = Field(
        default="liu",
        description="blocks of two convolutions with noise: liu: at 8, 32, 128 and 512, as FastGAN's authors; sauer: "
        "everywhere, as Projected GAN's (arXiv:2111.01007); lite: nowhere",
    )

    def build(self, data: DataSpec) -> FastganGeneratorNetwork:
        """Make the network; a `DataError` where the data are not images of a power-of-two resolution, 8 to 1024."""
        return FastganGeneratorNetwork(self, data)


class FastganGeneratorNetwork(GeneratorNetwork):
    """Latents [B, L] -> images [B, C, R, R] in [-1, 1]."""

    def __init__(self, recipe: FastganGenerator, data: DataSpec) -> None:
        super().__init__()
        self.data = data
        resolutions = _resolutions(data)
        widths = {resolution: int(recipe.width * multiple) for resolution, multiple in _WIDTH_MULTIPLIERS.items()}
        self.first = nn.Sequential(
            nn.ConvTranspose2d(recipe.latent + data.label_size, 2 * widths[4], 4, bias=False),
            nn.BatchNorm2d(2 * widths[4]),
            nn.GLU(1),
        )
        self.blocks, self.excitations = nn.ModuleDict(), nn.ModuleDict()
        for resolution in resolutions:
            double = recipe.layout == "sauer" or (recipe.layout == "liu" and resolution in (8, 32, 128, 512))
            self.blocks[f"{resolution}"] = FastganBlock(widths[resolution // 2], widths[resolution], double)
            if resolution in _EXCITED_RESOLUTIONS:
                self.excitations[f"{resolution}"] = SkipLayerExcitation(
                    widths[resolution // _EXCITATION_FACTOR], widths[resolution]
                )
        self.last = nn.Conv2d(widths[resolutions[-1]], data.channels, 3, 1, 1, bias=recipe.layout != "liu")
        self.apply(_initialise)

    def forward(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return images [B, C, R, R] in [-1, 1]."""
        hidden: Tensor = self.first(concatenate_labels(latents, labels, self.data)[:, :, None, None])
        seen = {4: hidden}
        for name, block in self.blocks.items():
            hidden = block(hidden)
            if name in self.excitations:
                hidden = hidden * self.excitations[name](seen[int(name) // _EXCITATION_FACTOR])
            seen[int(name)] = hidden
        images: Tensor = self.last(hidden)
        return images.tanh()


class FastganBlock(nn.Module):
    """Doubles the resolution: [B, I, H, W] -> [B, O, 2H, 2W].

    Args:
        inputs: channels that come in.
        outputs: channels that go out.
        double: two convolutions with noise rather than one without.
    """

    def __init__(self, inputs: int, outputs: int, double: bool) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Upsample(scale_factor=2))
        for before in (inputs, outputs) if double else (inputs,):
            self.layers.append(nn.Conv2d(before, 2 * outputs, 3, 1, 1, bias=False))
            if double:
                self.layers.append(NoiseInjection())
            self.layers.append(nn.BatchNorm2d(2 * outputs))
            self.layers.append(nn.GLU(1))

    def forward(self, images: Tensor) -> Tensor:
        """Map images [B, I, H, W] to [B, O, 2H, 2W]."""
        return self.layers(images)  # type: ignore[no-any-return]


class NoiseInjection(nn.Module):
    """Adds a plane of noise to all channels, by a learned strength that begins at 0 (StyleGAN, arXiv:1812.04948)."""

    def __init__(self) -> None:
        super().__init__()
        self.strength = nn.Parameter(torch.zeros(1))
        self.dice = Dice()

    def forward(self, images: Tensor) -> Tensor:
        """Map images [B, C, H, W] to the same shape."""
        noise = self.dice.normal(len(images), 1, *images.shape[2:])
        return images + (self.strength * noise).to(images.dtype)


class SkipLayerExcitation(nn.Sequential):
    """Weights in (0, 1) for the channels of a high resolution, seen at a low one (arXiv:2101.04775, eq. 1).

    Args:
        inputs: channels of the low resolution.
        outputs: channels of the high resolution.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(
            nn.AdaptiveAvgPool2d(4),
            nn.Conv2d(inputs, outputs, 4, bias=False),
            nn.SiLU(),
            nn.Conv2d(outputs, outputs, 1, bias=False),
            nn.Sigmoid(),
        )


def _resolutions(data: DataSpec) -> list[int]:
    """Return the resolutions of the blocks, 8, 16 and so on to that of the data."""
    resolution = data.resolution
    if resolution not in _WIDTH_MULTIPLIERS or resolution < 8:
        raise DataError(
            f"fastgan makes images of 8x8, 16x16 and so on up to 1024x1024, and the data are {resolution}x{resolution}"
            "; choose such a resolution for the data, or the network mlp, which takes any"
        )
    return [known for known in _WIDTH_MULTIPLIERS if 8 <= known <= resolution]


def _initialise(module: nn.Module) -> None:
    """Draw weights of convolutions from N(0, 0.02), those of BatchNorm from N(1, 0.02), as the authors did."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, 0.0, 0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)
