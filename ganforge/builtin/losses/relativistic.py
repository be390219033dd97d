"""The relativistic losses."""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from torch import Tensor
from torch.nn.functional import softplus

from ganforge.api import Duel, Loss


class Relativistic(Loss):
    """Relativistic pairing loss (Jolicoeur-Martineau 2018, arXiv:1807.00734, sec. 4; Huang et al. 2025, 2501.05441).

    With real and generated samples in pairs, D minimises softplus(-(D(x) - D(G(z)))) and G minimises
    softplus(-(D(G(z)) - D(x))). With `average` each sample faces the mean logit of the other batch (RaGAN, with
    the logistic function). That mean is over the samples that share a forward, so with `average` the result
    depends on how a batch is split into micro-batches and over processes.
    """

    kind: Literal["relativistic"] = "relativistic"
    average: bool = Field(default=False, description="compare with the other batch's mean logit, not with one partner")

    def discriminator(self, duel: Duel) -> Tensor:
        """Return how little the real samples beat the generated ones, [B] or as the logits."""
        return self._compare(duel.real_logits, duel.fake_logits)

    def generator(self, duel: Duel) -> Tensor:
        """Return how little the generated samples beat the real ones, [B] or as the logits."""
        return self._compare(duel.fake_logits, duel.real_logits)

    def _compare(self, winners: Tensor, losers: Tensor) -> Tensor:
        if not self.average:
            return softplus(losers - winners)
        return softplus(losers.mean(0) - winners) + softplus(losers - winners.mean(0))
