"""The residual GANs of 2018: a generator's synthesis of images, and a discriminator of residual blocks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import relu

from ganforge.api import DataSpec, FeatureDiscriminator, Generator
from ganforge.builtin.networks.layers.channel_schedule import resolution_of
from ganforge.builtin.networks.layers.projection_head import ProjectionHead
from ganforge.builtin.networks.layers.residual_blocks import DiscriminatorResidualBlock
from ganforge.builtin.networks.layers.self_attention import SelfAttention
from ganforge.builtin.networks.layers.weight_init import WEIGHT_INIT_TEXT, WeightInit, initialise
from ganforge.builtin.networks.layers.width_multipliers import attention_resolution, discriminator_multipliers

WIDTH = "channels next to the image at 64x64 and above; other layers have 2 to 16 times as many"


class ResidualGenerator(Generator):
    """The fields that all residual generators have."""

    width_field: ClassVar[str | None] = "width"
    width: int = Field(default=64, ge=1, le=1024, description=WIDTH)
    weight_init: WeightInit = Field(default="xavier", description=WEIGHT_INIT_TEXT)
    standing_batches: int = Field(
        default=16,
        ge=1,
        le=1000,
        description="batches of 64 of which a truncated generator takes its BatchNorm statistics (the paper takes 100)",
    )


class BlockWithAttention(nn.Module):
    """A generator's block whose result looks at itself."""

    def __init__(self, block: nn.Module, channels: int) -> None:
        super().__init__()
        self.block, self.attention = block, SelfAttention(channels)

    def forward(self, images: Tensor, condition: Tensor | None = None) -> Tensor:
        """Map images [B, C, H, W] to [B, C', H', W']."""
        return self.attention(self.block(images, condition))  # type: ignore[no-any-return]


class ResidualSynthesis(nn.Module):
    """From a generator's first dense layer to the image: blocks, BatchNorm, ReLU, 3x3, tanh.

    Args:
        start: numbers that the first layer reads.
        blocks: each maps (images, condition) to images.
        widths: channels at 4x4 and of the last block.
        channels: of the final image.
        eps: of the last norm.
    """

    def __init__(
        self, start: int, blocks: Sequence[nn.Module], widths: tuple[int, int], channels: int, eps: float = 1e-5
    ) -> None:
        super().__init__()
        self.first = nn.Linear(start, widths[0] * 16)
        self.blocks = nn.ModuleList(blocks)
        self.norm = nn.BatchNorm2d(widths[1], eps=eps)
        self.last = nn.Conv2d(widths[1], channels, 3, 1, 1)

    def forward(self, start: Tensor, conditions: Sequence[Tensor | None]) -> Tensor:
        """Map vectors [B, start], and a condition [B, K] or None for each block, to images in [-1, 1]."""
        hidden = self.first(start).unflatten(1, (-1, 4, 4)).contiguous(memory_format=torch.channels_last)
        for block, condition in zip(self.blocks, conditions, strict=True):
            hidden = block(hidden, condition)
        images: Tensor = self.last(relu(self.norm(hidden)))
        return images.tanh()


class ResidualDiscriminatorNetwork(FeatureDiscriminator):
    """Images [B, C, R, R] -> logits [B]: blocks, ReLU, the sum over all places, a projection head.

    Args:
        blocks: each maps images to images.
        width: channels of the last.
        data: what labels mean.
        weight_init: what weights begin as.
    """

    batch_group = 1

    def __init__(self, blocks: Sequence[nn.Module], width: int, data: DataSpec, weight_init: WeightInit) -> None:
        super().__init__()
        self.blocks, self.head = nn.ModuleList(blocks), ProjectionHead(width, data)
        self.features = width
        initialise(self, weight_init)

    @property
    def width(self) -> int:
        """Numbers that the last layer scores."""
        return self.features

    def forward_features(self, samples: Tensor, labels: Tensor | None = None) -> tuple[Tensor, Sequence[Tensor]]:
        """Return logits [B], and what each block gave, [B, C, H, W], and at last the features [B, F]."""
        hidden, activations = samples, []
        for block in self.blocks:
            hidden = block(hidden)
            activations.append(hidden)
        features = relu(hidden).sum((2, 3))
        return self.head(features, labels), [*activations, features]


def residual_discriminator(
    data: DataSpec, kind: str, width: int, weight_init: WeightInit, attention: int | None = None
) -> ResidualDiscriminatorNetwork:
    """Make a discriminator of plain blocks, as SNGAN's and those that follow it.

    Args:
        data: what it scores; a `DataError` where they are not images of a power-of-two resolution from 8.
        kind: of the discriminator, for messages.
        width: next to the image at 64x64 and above.
        weight_init: what weights begin as.
        attention: resolution of the feature map that gets self-attention, clipped to those that the blocks make; None =
            none does.
    """
    resolution = resolution_of(data, kind)
    multipliers, halvings = discriminator_multipliers(resolution, uniform=2)
    widths = [width * multiple for multiple in multipliers]
    chosen = None if attention is None else attention_resolution(attention, resolution >> halvings, resolution // 2)
    blocks: list[nn.Module] = []
    for index, (before, after) in enumerate(zip((data.channels, *widths), widths, strict=False)):
        block: nn.Module = DiscriminatorResidualBlock(before, after, down=index < halvings, first=index == 0)
        reached = index < halvings and resolution >> (index + 1) == chosen
        blocks.append(nn.Sequential(block, SelfAttention(after)) if reached else block)
    return ResidualDiscriminatorNetwork(blocks, widths[-1], data, weight_init)
