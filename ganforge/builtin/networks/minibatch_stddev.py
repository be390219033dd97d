"""Minibatch standard deviation."""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from torch import Tensor, nn

from ganforge.api import AnyDiscriminator, DataSpec, Discriminator
from ganforge.builtin.networks.layers.discriminator_head import INNER_NETWORK, DiscriminatorHead
from ganforge.builtin.networks.layers.minibatch_stddev import MinibatchStddevLayer


class MinibatchStddev(Discriminator):
    """Minibatch standard deviation (Karras et al. 2018, arXiv:1710.10196, sec. 3) on top of any discriminator.

    The deviation of the last features over a group of neighbours, averaged over features, is scored beside them. In the
    paper's own networks it is one more channel before the last convolution, as in our `stylegan2`; here it enters the
    score with a learned weight.
    """

    kind: Literal["minibatch-stddev"] = "minibatch-stddev"
    network: AnyDiscriminator = INNER_NETWORK
    group: int = Field(default=4, ge=1, le=65_536, description="neighbouring samples over which it is taken")

    def build(self, data: DataSpec) -> MinibatchStddevNetwork:
        """Make the network; a `RecipeError` where the inner one shows no features."""
        return MinibatchStddevNetwork(self, data)


class MinibatchStddevNetwork(DiscriminatorHead):
    """Adds the weighted deviation over neighbours."""

    def __init__(self, recipe: MinibatchStddev, data: DataSpec) -> None:
        super().__init__(recipe.network.build(data), recipe.group)
        self.deviation, self.score = MinibatchStddevLayer(recipe.group), nn.Linear(1, 1, bias=False)

    @property
    def width(self) -> int:
        """Inner features and the deviation."""
        return self.network.width + 1

    def score_features(self, features: Tensor, labels: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return the score of the deviation, and the features with it appended."""
        widened = self.deviation(features[:, :, None, None]).flatten(1)
        return self.score(widened[:, -1:]).squeeze(1), widened
