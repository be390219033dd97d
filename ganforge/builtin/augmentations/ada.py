"""Adaptive discriminator augmentation."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field, field_validator
from torch import Tensor

from ganforge.api import AugmentationNetwork, DataSpec
from ganforge.builtin.augmentations.parts.ada_transforms import AdaTransform, ColourTransform, GeometricTransform
from ganforge.builtin.augmentations.parts.adaptive_augmentation import AdaptiveAugmentation, AdaptiveAugmentationNetwork

_ALL_TRANSFORMS: tuple[AdaTransform, ...] = ("blit", "geometric", "colour")


class Ada(AdaptiveAugmentation):
    """Adaptive discriminator augmentation, pipe `bgc` (Karras et al. 2020, arXiv:2006.06676, sec. 3 and app. B).

    Each change strikes each sample with probability p. The overfitting heuristic r_t, the mean sign of the
    discriminator's logits of real samples (eq. 1), is compared with `target` every `interval` rounds, and p goes up or
    down by a step that would take it from 0 to 1 in `speed_images` images.
    """

    kind: Literal["ada"] = "ada"
    policy: tuple[AdaTransform, ...] = Field(
        default=_ALL_TRANSFORMS, min_length=1, max_length=3, description="which changes: blit, geometric, colour"
    )
    antialias: bool = Field(
        default=True, description="warp at twice the resolution, as the paper does; without it faster and coarser"
    )

    @field_validator("policy")
    @classmethod
    def _refuse_repeats(cls, policy: tuple[AdaTransform, ...]) -> tuple[AdaTransform, ...]:
        if len(set(policy)) < len(policy):
            raise ValueError("a family of changes is named twice; name each once")
        return policy

    def build(self, data: DataSpec) -> AugmentationNetwork:
        """Make the module; a `DataError` where the data are not square images."""
        return AdaNetwork(self, data)


class AdaNetwork(AdaptiveAugmentationNetwork):
    """Augments samples [B, C, R, R] with a probability that follows what the discriminator says of real ones."""

    def __init__(self, recipe: Ada, data: DataSpec) -> None:
        super().__init__(recipe, "augmentation")
        blit, geometric = "blit" in recipe.policy, "geometric" in recipe.policy
        self.geometry = (
            GeometricTransform(data.resolution, blit, geometric, recipe.antialias) if blit or geometric else None
        )
        self.colour = ColourTransform(data.channels) if "colour" in recipe.policy else None

    def forward(self, samples: Tensor) -> Tensor:
        """Return augmented samples; the samples themselves where p is 0."""
        if not self.p.values[0] > 0:
            return samples
        with torch.autocast(samples.device.type, enabled=False):  # places and filters need full precision
            images = samples.float() if samples.dtype in (torch.bfloat16, torch.float16) else samples
            if self.geometry is not None:
                images = self.geometry(images, self.p.value)
            if self.colour is not None:
                images = self.colour(images, self.p.value)
            return images.to(samples.dtype)
