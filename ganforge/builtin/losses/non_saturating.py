"""The non-saturating loss."""

from __future__ import annotations

from typing import Literal

from torch import Tensor
from torch.nn.functional import softplus

from ganforge.api import Duel
from ganforge.builtin.losses.parts.cross_entropy import CrossEntropyLoss


class NonSaturating(CrossEntropyLoss):
    """Non-saturating loss (Goodfellow et al. 2014, arXiv:1406.2661, sec. 3): G maximises log s(D(G(z))).

    With `smoothing` the target of real samples is 1 - smoothing and that of generated samples stays 0: one-sided label
    smoothing (Salimans et al. 2016, arXiv:1606.03498, sec. 3.4).
    """

    kind: Literal["non-saturating"] = "non-saturating"

    def generator(self, duel: Duel) -> Tensor:
        """Return -log s(D(G(z))), [B] or as the logits."""
        return softplus(-duel.fake_logits)
