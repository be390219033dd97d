"""The discriminator's cross-entropy, of the first GAN losses."""

from __future__ import annotations

from pydantic import Field
from torch import Tensor
from torch.nn.functional import softplus

from ganforge.api import Duel, Loss


class CrossEntropyLoss(Loss):
    """A loss whose discriminator minimises -log s(D(x)) - log(1 - s(D(G(z)))), s the logistic function.

    With `smoothing` the target of real samples is 1 - smoothing and that of generated samples stays 0: one-sided label
    smoothing (Salimans et al. 2016, arXiv:1606.03498, sec. 3.4).
    """

    smoothing: float = Field(default=0.0, ge=0, lt=0.5, description="how far real samples' target is below 1")

    def discriminator(self, duel: Duel) -> Tensor:
        """Return the cross-entropy of both batches, [B] or as the logits."""
        real = softplus(-duel.real_logits)
        if self.smoothing > 0:  # (1 - a) softplus(-x) + a softplus(x) = softplus(-x) + a x
            real = real + self.smoothing * duel.real_logits
        return real + softplus(duel.fake_logits)
