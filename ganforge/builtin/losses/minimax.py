"""The minimax loss."""

from __future__ import annotations

from typing import Literal

from torch import Tensor
from torch.nn.functional import softplus

from ganforge.duel import Duel
from ganforge.families import Loss


class Minimax(Loss):
    """Minimax loss with the saturating generator (Goodfellow et al. 2014, arXiv:1406.2661, eq. 1).

    D minimises -log s(D(x)) - log(1 - s(D(G(z)))), G minimises log(1 - s(D(G(z)))), s the logistic function: a
    zero-sum game, whose generator learns little while the discriminator wins.
    """

    kind: Literal["minimax"] = "minimax"

    def discriminator(self, duel: Duel) -> Tensor:
        """Return the cross-entropy of both batches, [B] or as the logits."""
        return softplus(-duel.real_logits) + softplus(duel.fake_logits)

    def generator(self, duel: Duel) -> Tensor:
        """Return log(1 - s(D(G(z)))), [B] or as the logits."""
        return -softplus(duel.fake_logits)
