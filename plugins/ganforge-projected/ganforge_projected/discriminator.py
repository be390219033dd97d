"""Projected GAN's discriminator."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from ganforge import DataError, DataSpec, Dice, Discriminator, FeatureDiscriminator
from ganforge_projected.mixing import FeatureMixing
from ganforge_projected.pyramid import CHANNELS, FeaturePyramid

_LAST_KERNEL = 4  # of the last convolutions
_EMBEDDING_SIZE = 64  # length of an embedded label
_MAX_MULTIPLE = 8  # the deepest layers have so many times the width


class Projected(Discriminator):
    """Projected GAN's discriminators on frozen ImageNet features at four scales (Sauer et al. 2021, arXiv:2111.01007).

    Images are resized, described by a frozen EfficientNet-Lite0 and projected by frozen random convolutions (sec. 3.2);
    a small convolutional discriminator looks at each scale, and all give equally many logits. As the authors do, use it
    with the loss `hinge`, the augmentation `diffaugment`, the constraint `spectral-norm` and the generator `fastgan`.
    Grey images are shown in three equal colours, those with an alpha channel over a random background. Labels are
    projected on what the last layers see (Miyato & Koyama 2018, arXiv:1802.05637).
    """

    kind: Literal["projected"] = "projected"
    width_field: ClassVar[str | None] = "width"
    features_resolution: int = Field(
        default=224,
        ge=64,
        le=1024,
        multiple_of=32,
        description="pixels to which images are resized; 224 as the authors, 64 to 128 for a CPU",
    )
    width: int = Field(
        default=64, ge=1, le=512, description="channels of the finest projected scale; the deepest layers have 8 x"
    )
    batch_norm: bool = Field(
        default=True, description="BatchNorm in the discriminators; without it no sample influences another"
    )

    def build(self, data: DataSpec) -> ProjectedNetwork:
        """Make the network; a `DataError` where the data are not square images of 1, 3 or 4 channels."""
        return ProjectedNetwork(self, data)


class ProjectedNetwork(FeatureDiscriminator):
    """Images [B, C, R, R] -> logits [B, 4 N], those of the finest scale first."""

    def __init__(self, recipe: Projected, data: DataSpec) -> None:
        super().__init__()
        if data.channels not in (1, 3, 4):
            raise DataError(
                f"projected knows grey, RGB and RGBA images, and the data have {data.channels} channels; choose data "
                "of 1, 3 or 4 channels, or another discriminator"
            )
        self.data, self.resolution = data, recipe.features_resolution
        self.batch_group = 0 if recipe.batch_norm else 1
        self.dice = Dice() if data.channels == 4 else None
        self.pyramid = FeaturePyramid()
        self.mixing = FeatureMixing(CHANNELS, recipe.width)
        self.end = self.resolution // (
            32 if self.resolution >= 32 * _LAST_KERNEL else 16
        )  # what every scale is halved to
        scales = [
            ScaleDiscriminator(inputs, self.resolution // size // self.end, recipe, data.label_size)
            for inputs, size in zip(self.mixing.outputs, (2, 4, 8, 16), strict=True)
        ]
        self.scales = nn.ModuleList(scales)
        self._width = sum(scale.last.in_channels for scale in scales) * self.end**2

    @property
    def width(self) -> int:
        """Numbers that the last layers of all scales look at."""
        return self._width

    def forward_features(self, samples: Tensor, labels: Tensor | None = None) -> tuple[Tensor, Sequence[Tensor]]:
        """Return logits [B, 4 N], the projected features of the four scales, and what the last layers see [B, F]."""
        encoded = self.data.encode(labels) if self.data.label_size else None
        features = self.mixing(self.pyramid(self.preprocess(samples)))
        logits, hidden = zip(
            *(scale(feature, encoded) for scale, feature in zip(self.scales, features, strict=True)), strict=True
        )
        return torch.cat(logits, 1), [*features, torch.cat([layer.flatten(1) for layer in hidden], 1)]

    def preprocess(self, samples: Tensor) -> Tensor:
        """Return samples [B, C, R, R] as the frozen network is shown them: in three colours, resized."""
        images = samples
        if self.dice is not None:
            colours, opacity = samples[:, :3], (samples[:, 3:] + 1) / 2
            background = self.dice.uniform(len(samples), 3, 1, 1) * 2 - 1
            images = torch.lerp(background.to(samples.dtype), colours, opacity)
        if self.data.resolution != self.resolution:
            size, shrinks = (self.resolution, self.resolution), self.data.resolution > self.resolution
            images = F.interpolate(images, size, mode="bilinear", antialias=shrinks)
        return images.expand(-1, 3, -1, -1).contiguous(memory_format=torch.channels_last)


class ScaleDiscriminator(nn.Module):
    """The discriminator of one scale: 4x4 convolutions that halve the resolution, then one without padding.

    Args:
        inputs: channels of the projected features.
        factor: what the resolution is divided by, a power of two.
        recipe: of the discriminator.
        label_size: numbers in an encoded label; 0 = none.
    """

    def __init__(self, inputs: int, factor: int, recipe: Projected, label_size: int) -> None:
        super().__init__()
        halvings = factor.bit_length() - 1
        widths = [recipe.width * _MAX_MULTIPLE // 2**index for index in reversed(range(halvings))]
        self.layers = nn.Sequential()
        for before, after in pairwise([inputs, *widths]):
            self.layers.append(nn.Conv2d(before, after, 4, 2, 1))
            if recipe.batch_norm:
                self.layers.append(nn.BatchNorm2d(after))
            self.layers.append(nn.LeakyReLU(0.2, inplace=True))
        self.last = nn.Conv2d([inputs, *widths][-1], _EMBEDDING_SIZE if label_size else 1, _LAST_KERNEL, bias=False)
        self.embed = nn.Linear(label_size, _EMBEDDING_SIZE, bias=False) if label_size else None
        if self.embed is not None:
            nn.init.normal_(self.embed.weight, 0.0, _EMBEDDING_SIZE**-0.5)

    def forward(self, features: Tensor, encoded: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return logits [B, N] and what the last layer sees [B, C, H, W], of features and labels [B, label_size]."""
        hidden: Tensor = self.layers(features)
        scores: Tensor = self.last(hidden)
        if self.embed is not None:
            scores = (scores * self.embed(encoded)[:, :, None, None]).sum(1)
        return scores.flatten(1), hidden
