"""BigGAN-deep."""

from __future__ import annotations

from itertools import pairwise
from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from ganforge.api import DataSpec, Discriminator
from ganforge.builtin.networks.biggan import (
    ATTENTION_RESOLUTION,
    EPS,
    ORTHOGONAL_INIT,
    LabelEmbeddingGenerator,
    LabelEmbeddingGeneratorNetwork,
)
from ganforge.builtin.networks.layers.bottleneck_blocks import DiscriminatorBottleneck, GeneratorBottleneck
from ganforge.builtin.networks.layers.channel_schedule import resolution_of
from ganforge.builtin.networks.layers.residual_networks import WIDTH, ResidualDiscriminatorNetwork, ResidualSynthesis
from ganforge.builtin.networks.layers.self_attention import SelfAttention
from ganforge.builtin.networks.layers.weight_init import WeightInit, initialise
from ganforge.builtin.networks.layers.width_multipliers import attention_resolution, discriminator_multipliers
from ganforge.builtin.networks.sagan import Attention

BIGGAN_DEEP_WIDTH: int = Field(default=128, ge=1, le=1024, description=WIDTH)


class BigganDeepGenerator(LabelEmbeddingGenerator):
    """BigGAN-deep's generator (Brock et al. 2019, arXiv:1809.11096, app. B.2), any power-of-two resolution from 8.

    Two bottleneck blocks at each resolution, the second of which doubles it (fig. 16b). The whole latent, beside the
    shared embedding of the label, makes the 4x4 start and steers every BatchNorm (fig. 16a). Weights begin orthogonal;
    up to 32x32 all layers have 4 times the width, as in PyTorch-StudioGAN. Truncated samples use standing statistics.
    The paper normalises both players spectrally: `constraints = ["spectral-norm"]`.
    """

    kind: Literal["biggan-deep"] = "biggan-deep"
    width_field: ClassVar[str | None] = "width"
    width: int = BIGGAN_DEEP_WIDTH

    def build(self, data: DataSpec) -> BigganDeepGeneratorNetwork:
        """Make the network; a `DataError` where the data are not images of a power-of-two resolution from 8."""
        return BigganDeepGeneratorNetwork(self, data)


class BigganDeepGeneratorNetwork(LabelEmbeddingGeneratorNetwork):
    """Latents [B, L] -> images [B, C, R, R] in [-1, 1]."""

    def __init__(self, recipe: BigganDeepGenerator, data: DataSpec) -> None:
        super().__init__(recipe, data)
        widths, steering = self.widths, recipe.latent + self.embedded
        blocks: list[nn.Module] = []
        for index, (before, after) in enumerate(pairwise(widths)):
            blocks.append(GeneratorBottleneck(before, before, steering, up=False, eps=EPS))
            blocks.append(self.attended(GeneratorBottleneck(before, after, steering, up=True, eps=EPS), index))
        self.path = ResidualSynthesis(steering, blocks, (widths[0], widths[-1]), data.channels, EPS)
        initialise(self, recipe.weight_init)

    def forward(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return images [B, C, R, R] in [-1, 1]."""
        steering = latents if self.embedding is None else torch.cat([self.embedding(labels), latents], 1)
        return self.path(steering, [steering] * len(self.path.blocks))  # type: ignore[no-any-return]


class BigganDeepDiscriminator(Discriminator):
    """BigGAN-deep's discriminator (Brock et al. 2019, arXiv:1809.11096, app. B.2), any power-of-two resolution from 8.

    A 3x3 convolution, then two bottleneck blocks at each resolution, the first of which halves it (fig. 16c). Labels
    are met by projection. The paper normalises both players spectrally: `constraints = ["spectral-norm"]`.
    """

    kind: Literal["biggan-deep"] = "biggan-deep"
    width_field: ClassVar[str | None] = "width"
    width: int = BIGGAN_DEEP_WIDTH
    attention: Attention = ATTENTION_RESOLUTION
    weight_init: WeightInit = ORTHOGONAL_INIT

    def build(self, data: DataSpec) -> ResidualDiscriminatorNetwork:
        """Make the network; a `DataError` where the data are not images of a power-of-two resolution from 8."""
        resolution = resolution_of(data, self.kind)
        multipliers, halvings = discriminator_multipliers(resolution, uniform=4)
        widths = [self.width * multiple for multiple in multipliers]
        attention = attention_resolution(self.attention, resolution >> halvings, resolution // 2)
        blocks: list[nn.Module] = [nn.Conv2d(data.channels, widths[0], 3, 1, 1)]
        for index, (before, after) in enumerate(pairwise(widths)):
            down = index < halvings
            blocks.append(DiscriminatorBottleneck(before, after, down=down))
            block = DiscriminatorBottleneck(after, after, down=False)
            reached = down and resolution >> (index + 1) == attention
            blocks.append(nn.Sequential(block, SelfAttention(after)) if reached else block)
        return ResidualDiscriminatorNetwork(blocks, widths[-1], data, self.weight_init)
