"""Networks: what they promise, interfaces with one meaning each, so that nothing need be guessed."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn


class GeneratorNetwork(nn.Module, ABC):
    """Turns latents [B, L] (standard normal) and labels [B] (or None) into samples [B, *shape], images in [-1, 1]."""

    @abstractmethod
    def forward(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return samples [B, *shape]."""

    def truncated(self, latents: Tensor, labels: Tensor | None, truncation: float) -> Tensor:
        """Return samples of less variety and more likeness.

        By default the truncation trick on latents (Brock et al. 2019, arXiv:1809.11096, sec. 3.1): latents are mapped
        to the normal distribution cut off at +-2 x truncation; the map is monotone, so a latent keeps its place.

        Args:
            latents: [B, L], standard normal.
            labels: [B] or None.
            truncation: in (0, 1]; 1 leaves the latents alone.
        """
        if truncation >= 1:
            return self(latents, labels)  # type: ignore[no-any-return]
        return self(truncate_normal(latents, truncation), labels)  # type: ignore[no-any-return]


def truncate_normal(latents: Tensor, truncation: float) -> Tensor:
    """Map standard normal latents, monotonically, to the normal distribution cut off at +-2 x truncation."""
    inside = math.erf(2 * truncation / math.sqrt(2))
    return torch.erfinv(torch.erf(latents / math.sqrt(2)) * inside) * math.sqrt(2)


class StyleGenerator(GeneratorNetwork):
    """A generator with an intermediate style space: latents -> styles -> samples (StyleGAN and its heirs)."""

    @abstractmethod
    def styles(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        """Map latents [B, L] to one style for each layer, [B, layers, W]."""

    @abstractmethod
    def synthesize(self, styles: Tensor) -> Tensor:
        """Turn styles [B, layers, W] into samples [B, *shape]."""


class EquivariantGenerator(StyleGenerator):
    """A generator that can move what it shows without resampling it (StyleGAN3, Karras et al. 2021, arXiv:2106.12423).

    A motion is a matrix on homogeneous coordinates (x to the right, y down, 1) of the image's plane, in widths of the
    image, from its centre: translations and rotations.
    """

    @abstractmethod
    def moved(self, styles: Tensor, motion: Tensor) -> Tensor:
        """Return samples [B, *shape] of styles [B, layers, W] with what they show moved by `motion` [B, 3, 3]."""


class GrowingNetwork(nn.Module):
    """A network that works at the data's resolution or lower ones, and can fade in the next (ProGAN, arXiv:1710.10196).

    Until it is told otherwise it works at full resolution. What a stage does not use gets no gradient in it. Who made
    it sets `resolutions`, ascending, the last of them that of the data, and calls `grow`.
    """

    resolutions: tuple[int, ...]
    resolution: int
    blend: float

    def grow(self, resolution: int, blend: float = 1.0) -> None:
        """Work at `resolution` from here on: generators make such samples, discriminators are given them.

        Args:
            resolution: one of `resolutions`.
            blend: how much the layers of this resolution take part, in [0, 1]; the rest is what the layers below made,
                enlarged. There are none below the lowest.

        Raises:
            ValueError: the resolution is none of its own, or there is nothing to blend with.
        """
        if resolution not in self.resolutions:
            raise ValueError(f"{type(self).__name__} works at {self.resolutions}, and was asked for {resolution}")
        if not 0 <= blend <= 1 or (blend < 1 and resolution == self.resolutions[0]):
            raise ValueError(f"a blend of {blend} at resolution {resolution} of {self.resolutions}")
        self.resolution, self.blend = resolution, blend


class Draw(NamedTuple):
    """What generated samples are made of: `generator(latents, labels)`, latents [B, L] and labels [B] or None.

    `codes` [B, N] are the N categorical codes that the latents hold, integers from 0, where the game has such.
    """

    generator: GeneratorNetwork
    latents: Tensor
    labels: Tensor | None = None
    codes: Tensor | None = None


class DiscriminatorNetwork(nn.Module, ABC):
    """Scores samples [B, *shape] with labels [B] (or None): logits [B], or any shape with leading B (patches, scales).

    `batch_group` says how many neighbouring samples of a batch influence each other's score: 1 = none do, k = groups of
    k in order (minibatch statistics), 0 = the whole batch (BatchNorm). Where it is not 0, real and generated samples
    may share one forward.
    """

    batch_group: int = 0

    @abstractmethod
    def forward(self, samples: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return logits [B]: the higher, the more real."""


class FeatureDiscriminator(DiscriminatorNetwork):
    """A discriminator that shows what it sees, for feature matching and auxiliary heads."""

    @abstractmethod
    def forward_features(self, samples: Tensor, labels: Tensor | None = None) -> tuple[Tensor, Sequence[Tensor]]:
        """Return, of one forward, logits [B] and inner activations [B, ...] from the input's side to the output's.

        The last of them, flat [B, F], is what the last linear layer scores; its size is `width`.
        """

    @property
    @abstractmethod
    def width(self) -> int:
        """Numbers F in the last of the activations, per sample."""

    def forward(self, samples: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return logits [B]."""
        return self.forward_features(samples, labels)[0]
