"""Mirroring."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from ganforge.api import Augmentation, AugmentationNetwork, DataSpec, Dice


class Mirror(Augmentation):
    """Mirroring: half of what the discriminator sees, real and generated, is flipped left to right.

    The x-flip of Karras et al. 2020 (arXiv:2006.06676, app. B) at p = 1.
    """

    kind: Literal["mirror"] = "mirror"

    def build(self, data: DataSpec) -> AugmentationNetwork:
        """Make the module; a `DataError` where the data are not square images."""
        _ = data.resolution  # refuses points and other samples without a left and a right
        return MirrorNetwork()


class MirrorNetwork(AugmentationNetwork):
    """Flips each sample with a probability of one half."""

    def __init__(self) -> None:
        super().__init__()
        self.dice = Dice()

    def forward(self, samples: Tensor) -> Tensor:
        """Return samples [B, C, R, R], each as it was or mirrored."""
        flipped = self.dice.uniform(len(samples)) < 0.5
        return torch.where(flipped.view(-1, 1, 1, 1), samples.flip(3), samples)
