"""R3GAN: residual networks without normalisation, the same on both sides."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar, Literal

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from ganforge.api import DataSpec, Discriminator, FeatureDiscriminator, Generator, GeneratorNetwork, RecipeError
from ganforge.builtin.networks.layers.channel_schedule import CHANNEL_BASE_TEXT, channels_by_resolution
from ganforge.builtin.networks.layers.fir_resampling import fir_downsample, fir_upsample
from ganforge.builtin.networks.layers.fixup_blocks import FixupStage, HeConvolution, resolution_transition

BASE = 24_576
CHANNEL_BASE = Field(default=BASE, ge=8, le=2**20, description=CHANNEL_BASE_TEXT)
CHANNEL_MAX = Field(default=768, ge=1, le=65_536, description="most channels a stage has")
BLOCKS = Field(default=2, ge=1, le=64, description="residual blocks in each stage")
EXPANSION = Field(default=2, ge=1, le=16, description="channels inside a block, relative to its stage")
GROUP_WIDTH = Field(
    default=16,
    ge=1,
    le=65_536,
    description="channels in a group of the 3x3 convolutions; cardinality = those inside / group_width",
)


class R3GANGenerator(Generator):
    """R3GAN's generator (Huang et al. 2024, arXiv:2501.05441, sec. 4 and fig. 4), any power-of-two resolution from 8.

    A learned basis at 4x4, then stages of inverted bottleneck blocks. Labels are embedded and appended to the latents.
    """

    kind: Literal["r3gan"] = "r3gan"
    width_field: ClassVar[str | None] = "channel_base"
    latent: PositiveInt = Field(default=64, le=65_536, description="length L of a latent")
    channel_base: int = CHANNEL_BASE
    channel_max: int = CHANNEL_MAX
    blocks: int = BLOCKS
    expansion: int = EXPANSION
    group_width: int = GROUP_WIDTH
    embedding: PositiveInt | None = Field(
        default=None, le=65_536, description="length of a label's embedding; as a latent's"
    )

    def build(self, data: DataSpec) -> R3GANGeneratorNetwork:
        """Make the network; a `DataError` where the resolution is not a power of two from 8."""
        return R3GANGeneratorNetwork(self, data)


class R3GANDiscriminator(Discriminator):
    """R3GAN's discriminator (Huang et al. 2024, arXiv:2501.05441, sec. 4 and fig. 4): its generator, mirrored.

    Where data are labelled, its last layer has `embedding` outputs, whose product with the embedding of the label is
    the score (Miyato & Koyama 2018, arXiv:1802.05637).
    """

    kind: Literal["r3gan"] = "r3gan"
    width_field: ClassVar[str | None] = "channel_base"
    channel_base: int = CHANNEL_BASE
    channel_max: int = CHANNEL_MAX
    blocks: int = BLOCKS
    expansion: int = EXPANSION
    group_width: int = GROUP_WIDTH
    embedding: PositiveInt | None = Field(
        default=None,
        le=65_536,
        description="length of a label's embedding; by default as many as there are channels at 4x4",
    )

    def build(self, data: DataSpec) -> R3GANDiscriminatorNetwork:
        """Make the network; a `DataError` where the resolution is not a power of two from 8."""
        return R3GANDiscriminatorNetwork(self, data)


def stage_channels(data: DataSpec, recipe: R3GANGenerator | R3GANDiscriminator) -> dict[int, int]:
    """Return the channels by resolution, from 4 to that of the data, such that groups divide them."""
    channels = channels_by_resolution(recipe.kind, data, recipe.channel_base, recipe.channel_max, BASE)
    for size, width in channels.items():
        inside = width * recipe.expansion
        if inside > recipe.group_width and inside % recipe.group_width:
            raise RecipeError(
                f"the {inside} channels inside a block at {size}x{size} cannot be parted into groups of "
                f"{recipe.group_width}; choose channel_max and channel_base divisible by it, or another group_width"
            )
    return channels


class R3GANGeneratorNetwork(GeneratorNetwork):
    """Latents [B, L] -> images [B, C, R, R], the range [-1, 1] being learned."""

    def __init__(self, recipe: R3GANGenerator, data: DataSpec) -> None:
        super().__init__()
        channels, self.data = stage_channels(data, recipe), data
        depth, embedding = len(channels) * recipe.blocks, recipe.embedding or recipe.latent
        self.embed = HeConvolution(data.label_size, embedding) if data.label_size else None
        self.basis = nn.Parameter(torch.randn(channels[4], 4, 4))
        self.coefficients = HeConvolution(recipe.latent + (embedding if data.label_size else 0), channels[4])
        self.layers = nn.Sequential(FixupStage(channels[4], recipe, depth))
        for size in sorted(channels)[1:]:
            before, after = channels[size // 2], channels[size]
            self.layers.append(resolution_transition(before, after, fir_upsample(after), up=True))
            self.layers.append(FixupStage(after, recipe, depth))
        self.to_image = HeConvolution(channels[data.resolution], data.channels)

    def forward(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return images [B, C, R, R]."""
        vectors = latents[:, :, None, None]
        if self.embed is not None:
            embedded = self.embed(self.data.encode(labels)[:, :, None, None])
            vectors = torch.cat([vectors, embedded], 1)
        return self.to_image(self.layers(self.coefficients(vectors) * self.basis))  # type: ignore[no-any-return]


class R3GANDiscriminatorNetwork(FeatureDiscriminator):
    """Images [B, C, R, R] -> logits [B]; no sample influences another."""

    batch_group = 1

    def __init__(self, recipe: R3GANDiscriminator, data: DataSpec) -> None:
        super().__init__()
        channels, self.data = stage_channels(data, recipe), data
        depth, last = len(channels) * recipe.blocks, channels[4]
        embedding = recipe.embedding or last
        self.from_image = HeConvolution(data.channels, channels[data.resolution])
        self.layers = nn.Sequential(FixupStage(channels[data.resolution], recipe, depth))
        for size in sorted(channels, reverse=True)[1:]:
            before, after = channels[2 * size], channels[size]
            self.layers.append(resolution_transition(before, after, fir_downsample(before), up=False))
            self.layers.append(FixupStage(after, recipe, depth))
        self.basis = nn.Parameter(torch.randn(last, 4, 4) / 4)  # He's, with a fan-in of 16
        self.score = HeConvolution(last, embedding if data.label_size else 1)
        gain = 1 / math.sqrt(embedding)
        self.embed = HeConvolution(data.label_size, embedding, gain=gain) if data.label_size else None

    @property
    def width(self) -> int:
        """Numbers that the last layer scores."""
        return len(self.basis)

    def forward_features(self, samples: Tensor, labels: Tensor | None = None) -> tuple[Tensor, Sequence[Tensor]]:
        """Return logits [B] and what each stage gave, [B, C, H, W], the last of them flat [B, F] after the basis."""
        hidden, activations = self.from_image(samples), []
        for layer in self.layers:
            hidden = layer(hidden)
            if isinstance(layer, FixupStage):
                activations.append(hidden)
        last = (hidden * self.basis).sum((2, 3))  # one number for each channel
        scores = self.score(last[:, :, None, None])
        if self.embed is not None:
            scores = scores * self.embed(self.data.encode(labels)[:, :, None, None])
        return scores.sum((1, 2, 3)), [*activations, last]
