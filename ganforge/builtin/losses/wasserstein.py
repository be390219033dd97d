"""The Wasserstein loss."""

from __future__ import annotations

from typing import ClassVar, Literal

from torch import Tensor

from ganforge.api import Duel, Loss


class Wasserstein(Loss):
    """Wasserstein loss (Arjovsky et al. 2017, arXiv:1701.07875, eqs. 2-3).

    D minimises D(G(z)) - D(x), G minimises -D(G(z)). The critic must be kept Lipschitz by something else: weight
    clipping, a gradient penalty or spectral normalisation.
    """

    kind: Literal["wasserstein"] = "wasserstein"
    bounded: ClassVar[bool] = False

    def discriminator(self, duel: Duel) -> Tensor:
        """Return D(G(z)) - D(x), [B] or as the logits."""
        return duel.fake_logits - duel.real_logits

    def generator(self, duel: Duel) -> Tensor:
        """Return -D(G(z)), [B] or as the logits."""
        return -duel.fake_logits
