"""Instance noise."""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from torch import Tensor

from ganforge.api import Augmentation, AugmentationNetwork, Clock, DataSpec, Dice, NonNegativeNumber


class InstanceNoise(Augmentation):
    """Instance noise: normal noise on all that the discriminator sees (Sønderby et al. 2017, arXiv:1610.04490, sec. 3).

    It gives real and generated samples common ground (Arjovsky & Bottou 2017, arXiv:1701.04862, sec. 3). Both papers
    let it fade: `std = { start = 0.2, end = 0.0, images = 100_000 }`. Samples may have any shape.
    """

    kind: Literal["instance-noise"] = "instance-noise"
    std: NonNegativeNumber = Field(
        default=0.1, description="standard deviation, in units of the samples (images span 2), constant or a ramp"
    )

    def build(self, data: DataSpec) -> AugmentationNetwork:
        """Make the module for samples of any shape."""
        return InstanceNoiseNetwork(self)


class InstanceNoiseNetwork(AugmentationNetwork):
    """Adds noise to samples [B, *shape], drawn anew for each."""

    def __init__(self, recipe: InstanceNoise) -> None:
        super().__init__()
        self.recipe, self.dice, self.clock = recipe, Dice(), Clock()

    def forward(self, samples: Tensor) -> Tensor:
        """Return noisy samples; the samples themselves where the noise has faded."""
        std = self.clock.value(self.recipe.std)
        return samples + self.dice.normal(*samples.shape).to(samples.dtype) * std if std > 0 else samples
