"""BigGAN."""

from __future__ import annotations

from itertools import pairwise
from typing import ClassVar, Literal

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from ganforge.api import DataSpec, Discriminator, RecipeError
from ganforge.builtin.networks.layers.channel_schedule import resolution_of
from ganforge.builtin.networks.layers.conditional_norm import SharedEmbedding
from ganforge.builtin.networks.layers.residual_blocks import GeneratorResidualBlock
from ganforge.builtin.networks.layers.residual_networks import (
    WIDTH,
    BlockWithAttention,
    ResidualDiscriminatorNetwork,
    ResidualGenerator,
    ResidualSynthesis,
    residual_discriminator,
)
from ganforge.builtin.networks.layers.standing_statistics import StandingStatisticsGenerator
from ganforge.builtin.networks.layers.weight_init import WEIGHT_INIT_TEXT, WeightInit, initialise
from ganforge.builtin.networks.layers.width_multipliers import attention_resolution, generator_multipliers
from ganforge.builtin.networks.sagan import ATTENTION, Attention

EPS = 1e-4  # of BatchNorm; Brock et al. 2019, app. C
ATTENTION_RESOLUTION: Attention = Field(default=64, description=ATTENTION)
ORTHOGONAL_INIT: WeightInit = Field(default="orthogonal", description=WEIGHT_INIT_TEXT)


class LabelEmbeddingGenerator(ResidualGenerator):
    """The fields that BigGAN's generators have in common."""

    shared: int = Field(
        default=128, ge=1, le=4096, description="numbers in the embedding of a label that all layers share"
    )
    attention: Attention = ATTENTION_RESOLUTION
    weight_init: WeightInit = ORTHOGONAL_INIT


class LabelEmbeddingGeneratorNetwork(StandingStatisticsGenerator):
    """What BigGAN's generators begin with: the plan of the blocks, and the embedding that all of them share.

    Args:
        recipe: its sizes; a `DataError` where `data` are not images of a power-of-two resolution from 8.
        data: what it makes.
    """

    def __init__(self, recipe: LabelEmbeddingGenerator, data: DataSpec) -> None:
        super().__init__(data, recipe.latent, recipe.standing_batches)
        resolution = resolution_of(data, recipe.kind)
        self.widths = [recipe.width * multiple for multiple in generator_multipliers(resolution)]
        self.attention = attention_resolution(recipe.attention, 8, max(resolution // 2, 8))
        self.embedding = SharedEmbedding(data, recipe.shared) if data.label_size else None
        self.embedded = recipe.shared if data.label_size else 0

    def attended(self, block: nn.Module, index: int) -> nn.Module:
        """Return the block that leads to resolution 8 << index, with self-attention where it belongs there."""
        return BlockWithAttention(block, self.widths[index + 1]) if 8 << index == self.attention else block


class BigganGenerator(LabelEmbeddingGenerator):
    """BigGAN's generator (Brock et al. 2019, arXiv:1809.11096, app. B.1), any power-of-two resolution from 8.

    The latent is split: the first part makes the 4x4 start, each further part, beside the shared embedding of the
    label, steers the BatchNorms of one block ("skip-z", fig. 15a). Weights begin orthogonal. Up to 32x32 all layers
    have 4 times the width, as in PyTorch-StudioGAN. Truncated samples use standing statistics. The paper normalises
    both players spectrally: `constraints = ["spectral-norm"]`.
    """

    kind: Literal["biggan"] = "biggan"
    width_field: ClassVar[str | None] = "width"
    latent: PositiveInt = Field(
        default=120, le=65_536, description="length L of a latent; the start and each block get a part"
    )
    width: int = Field(default=96, ge=1, le=1024, description=WIDTH)

    def build(self, data: DataSpec) -> BigganGeneratorNetwork:
        """Make the network.

        Raises:
            DataError: the data are not images of a power-of-two resolution from 8.
            RecipeError: the latent is too short to be split.
        """
        return BigganGeneratorNetwork(self, data)


class BigganGeneratorNetwork(LabelEmbeddingGeneratorNetwork):
    """Latents [B, L] -> images [B, C, R, R] in [-1, 1]."""

    def __init__(self, recipe: BigganGenerator, data: DataSpec) -> None:
        super().__init__(recipe, data)
        widths = self.widths
        if recipe.latent < len(widths):
            raise RecipeError(
                f"latent = {recipe.latent} is too short: {len(widths) - 1} blocks and the start want a part each, "
                f"and so {len(widths)} numbers or more"
            )
        self.sizes = split_evenly(recipe.latent, len(widths))
        blocks = [
            self.attended(GeneratorResidualBlock(before, after, self.embedded + self.sizes[index + 1], EPS), index)
            for index, (before, after) in enumerate(pairwise(widths))
        ]
        self.path = ResidualSynthesis(self.sizes[0], blocks, (widths[0], widths[-1]), data.channels, EPS)
        initialise(self, recipe.weight_init)

    def forward(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return images [B, C, R, R] in [-1, 1]."""
        start, *parts = torch.split(latents, self.sizes, 1)
        if self.embedding is not None:
            embedded = self.embedding(labels)
            parts = [torch.cat([embedded, part], 1) for part in parts]
        return self.path(start, parts)  # type: ignore[no-any-return]


class BigganDiscriminator(Discriminator):
    """BigGAN's discriminator (Brock et al. 2019, arXiv:1809.11096, app. B.1), any power-of-two resolution from 8.

    SAGAN's, wider, with both convolutions of a block as wide as its result, and weights that begin orthogonal. Labels
    are met by projection. The paper normalises both players spectrally: `constraints = ["spectral-norm"]`.
    """

    kind: Literal["biggan"] = "biggan"
    width_field: ClassVar[str | None] = "width"
    width: int = Field(default=96, ge=1, le=1024, description=WIDTH)
    attention: Attention = ATTENTION_RESOLUTION
    weight_init: WeightInit = ORTHOGONAL_INIT

    def build(self, data: DataSpec) -> ResidualDiscriminatorNetwork:
        """Make the network; a `DataError` where the data are not images of a power-of-two resolution from 8."""
        return residual_discriminator(data, self.kind, self.width, self.weight_init, self.attention)


def split_evenly(length: int, parts: int) -> list[int]:
    """Return `parts` lengths that add up to `length` and differ by one at most, the longer first."""
    whole, left = divmod(length, parts)
    return [whole + (index < left) for index in range(parts)]
