"""The minimax loss."""

from __future__ import annotations

from typing import Literal

from torch import Tensor
from torch.nn.functional import softplus

from ganforge.api import Duel
from ganforge.builtin.losses.parts.cross_entropy import CrossEntropyLoss


class Minimax(CrossEntropyLoss):
    """Minimax loss with the saturating generator (Goodfellow et al. 2014, arXiv:1406.2661, eq. 1).

    D minimises -log s(D(x)) - log(1 - s(D(G(z)))), G minimises log(1 - s(D(G(z)))), s the logistic function: a
    zero-sum game, whose generator learns little while the discriminator wins. With `smoothing` the target of real
    samples is 1 - smoothing and that of generated samples stays 0: one-sided label smoothing (Salimans et al. 2016,
    arXiv:1606.03498, sec. 3.4).
    """

    kind: Literal["minimax"] = "minimax"

    def generator(self, duel: Duel) -> Tensor:
        """Return log(1 - s(D(G(z)))), [B] or as the logits."""
        return -softplus(duel.fake_logits)
