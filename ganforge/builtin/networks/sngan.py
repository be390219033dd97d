"""SNGAN: the residual networks that spectral normalisation was shown on."""

from __future__ import annotations

from itertools import pairwise
from typing import ClassVar, Literal

from pydantic import Field
from torch import Tensor, nn

from ganforge.api import DataSpec, Discriminator
from ganforge.builtin.networks.layers.channel_schedule import resolution_of
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
from ganforge.builtin.networks.layers.width_multipliers import generator_multipliers


class SnganGenerator(ResidualGenerator):
    """SNGAN's residual generator (Miyato et al. 2018, arXiv:1802.05957, app. B.4), any power-of-two resolution from 8.

    Up to 32x32 all layers have 4 times the width (256, table 4); above, they fall from 16 times to the width (tables 5
    and 6). Labels steer its BatchNorms, as in Miyato & Koyama 2018 (arXiv:1802.05637).
    """

    kind: Literal["sngan"] = "sngan"

    def build(self, data: DataSpec) -> SnganGeneratorNetwork:
        """Make the network; a `DataError` where the data are not images of a power-of-two resolution from 8."""
        return SnganGeneratorNetwork(self, data)


class SnganGeneratorNetwork(StandingStatisticsGenerator):
    """Latents [B, L] -> images [B, C, R, R] in [-1, 1].

    Args:
        recipe: its sizes.
        data: what it makes.
        attention: resolution of the feature map that gets self-attention, from 8 to R; None = none does (SNGAN).
    """

    def __init__(self, recipe: ResidualGenerator, data: DataSpec, attention: int | None = None) -> None:
        super().__init__(data, recipe.latent, recipe.standing_batches)
        widths = [recipe.width * multiple for multiple in generator_multipliers(resolution_of(data, recipe.kind))]
        blocks: list[nn.Module] = []
        for index, (before, after) in enumerate(pairwise(widths)):
            block = GeneratorResidualBlock(before, after, data.label_size)
            blocks.append(BlockWithAttention(block, after) if 8 << index == attention else block)
        self.path = ResidualSynthesis(recipe.latent, blocks, (widths[0], widths[-1]), data.channels)
        initialise(self, recipe.weight_init)

    def forward(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return images [B, C, R, R] in [-1, 1]."""
        condition = self.data.encode(labels) if self.data.label_size else None
        return self.path(latents, [condition] * len(self.path.blocks))  # type: ignore[no-any-return]


class SnganDiscriminator(Discriminator):
    """SNGAN's residual discriminator (Miyato et al. 2018, arXiv:1802.05957, app. B.4), any power of two from 8.

    Up to 32x32 all layers have twice the width (128, table 4), and shrink the image to 8x8; above, they rise from the
    width to 16 times as much, and shrink it to 4x4. Labels are met by projection (Miyato & Koyama 2018,
    arXiv:1802.05637). The spectral normalisation is a constraint: `constraints = ["spectral-norm"]`.
    """

    kind: Literal["sngan"] = "sngan"
    width_field: ClassVar[str | None] = "width"
    width: int = Field(default=64, ge=1, le=1024, description=WIDTH)
    weight_init: WeightInit = Field(default="xavier", description=WEIGHT_INIT_TEXT)

    def build(self, data: DataSpec) -> ResidualDiscriminatorNetwork:
        """Make the network; a `DataError` where the data are not images of a power-of-two resolution from 8."""
        return residual_discriminator(data, self.kind, self.width, self.weight_init)
