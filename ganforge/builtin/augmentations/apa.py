"""Adaptive pseudo augmentation."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from ganforge.api import AugmentationNetwork, DataSpec, Dice
from ganforge.builtin.augmentations.parts.adaptive_augmentation import AdaptiveAugmentation, AdaptiveAugmentationNetwork


class Apa(AdaptiveAugmentation):
    """Adaptive pseudo augmentation: generated samples sometimes pass for real (Jiang et al. 2021, arXiv:2111.06849).

    In the discriminator's main turn each real sample is replaced by a generated one of its label with probability p,
    which follows the overfitting heuristic as ADA's does: what is overfitted is deceived. The generated sample is the
    one of the same row, which is shown as generated as well; lazy penalties look at the real samples themselves.
    Samples may have any shape.
    """

    kind: Literal["apa"] = "apa"

    def build(self, data: DataSpec) -> AugmentationNetwork:
        """Make the module for samples of any shape."""
        return ApaNetwork(self)


class ApaNetwork(AdaptiveAugmentationNetwork):
    """Exchanges real samples, and leaves samples as they are."""

    exchanges = True

    def __init__(self, recipe: Apa) -> None:
        super().__init__(recipe, "pseudo")
        self.dice = Dice()

    def forward(self, samples: Tensor) -> Tensor:
        """Return the samples themselves."""
        return samples

    def exchange(self, real: Tensor, fake: Tensor, labels: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return real samples [B, *shape], some of them replaced by generated ones, and the generated ones."""
        if not self.p.values[0] > 0:
            return real, fake
        replaced = self.dice.uniform(len(real)) < self.p.value
        return torch.where(replaced.view(-1, *[1] * (real.ndim - 1)), fake.to(real.dtype), real), fake
