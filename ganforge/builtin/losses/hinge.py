"""The hinge loss."""

from __future__ import annotations

from typing import Literal

from torch import Tensor
from torch.nn.functional import relu

from ganforge.api import Duel, Loss


class Hinge(Loss):
    """Hinge loss (Lim & Ye 2017, arXiv:1705.02894; in this form Miyato et al. 2018, arXiv:1802.05957, eqs. 16-17).

    D minimises max(0, 1 - D(x)) + max(0, 1 + D(G(z))), G minimises -D(G(z)).
    """

    kind: Literal["hinge"] = "hinge"

    def discriminator(self, duel: Duel) -> Tensor:
        """Return how far both batches are inside the margin, [B] or as the logits."""
        return relu(1 - duel.real_logits) + relu(1 + duel.fake_logits)

    def generator(self, duel: Duel) -> Tensor:
        """Return -D(G(z)), [B] or as the logits."""
        return -duel.fake_logits
