"""Feature matching."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from ganforge.api import Duel, FeatureDiscriminator, PositiveNumber, RecipeError, Regularizer, Role, value_at


class FeatureMatching(Regularizer):
    """Feature matching (Salimans et al. 2016, arXiv:1606.03498, sec. 3.1): weight ||mean f(x) - mean f(G(z))||^2.

    f are inner activations of the discriminator. Means are taken over groups of `group` neighbours, so that results do
    not depend on how a batch is shared out as long as no group is cut; the paper's group is the whole batch. The square
    is the mean over the activations, as in the authors' code for MNIST, with a weight of 1 (openai/improved-gan; that
    for CIFAR-10 has the absolute difference in its place).
    """

    kind: Literal["feature-matching"] = "feature-matching"
    player: ClassVar[Role] = "generator"
    needs_opponent: ClassVar[type[nn.Module]] = FeatureDiscriminator
    weight: PositiveNumber = Field(default=1.0, description="factor of the penalty")
    group: int = Field(
        default=32,
        ge=0,
        le=65_536,
        description="neighbouring samples whose means are compared, or the largest smaller number that divides the "
        "batch; 0 = all that share a forward",
    )
    layer: int = Field(
        default=1, ge=1, le=64, description="which activation, counted from the output: 1 = what the last layer scores"
    )

    def penalty(self, duel: Duel) -> Tensor:
        """Return the penalty [groups]; a `RecipeError` where there are fewer activations than `layer`."""
        with torch.no_grad():
            real = self._means(duel, duel.real)
        return value_at(self.weight, duel.images) * (self._means(duel, duel.fake) - real).square().mean(1)

    def _means(self, duel: Duel, samples: Tensor) -> Tensor:
        """Return the mean activations of the groups, [groups, F]."""
        activations = duel.features(samples)
        if self.layer > len(activations):
            raise RecipeError(
                f"'feature-matching' wants the activation {self.layer} from the output, and the discriminator shows "
                f"{len(activations)}; set layer to {len(activations)} or less"
            )
        batch = len(samples)
        group = next(size for size in range(min(self.group or batch, batch), 0, -1) if batch % size == 0)
        return activations[-self.layer].reshape(batch // group, group, -1).mean(1)
