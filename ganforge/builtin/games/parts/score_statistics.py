"""Statistics of the discriminator's scores in a round."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from ganforge.api import Duel, Tally


class ScoreStatistics(Tally):
    """Means over the scores of each real sample and of the generated one beside it.

    Five numbers: both scores, their squares, and which is higher: 1 = the real one's, 0 = the other, 1/2 = neither.
    """

    def __init__(self) -> None:
        super().__init__(5, lasting=False)

    @torch.no_grad()
    def observe(self, duel: Duel) -> None:
        """Note the logits of a duel."""
        real, fake = (
            logits.float().reshape(len(logits), -1).mean(1) for logits in (duel.real_logits, duel.fake_logits)
        )
        self.add(torch.stack([real, fake, real * real, fake * fake, (real - fake).sign() / 2 + 0.5], 1))

    def readings(self) -> Mapping[str, Tensor]:
        """Return their means and deviations, and the fraction of pairs whose real sample has the higher score.

        That fraction, `separation`, is 0.5 where both look alike.
        """
        real, fake, real_square, fake_square, separation = self.mean.unbind()
        return {
            "discriminator/real_score": real,
            "discriminator/fake_score": fake,
            "discriminator/real_score_std": (real_square - real * real).clamp(min=0).sqrt(),
            "discriminator/fake_score_std": (fake_square - fake * fake).clamp(min=0).sqrt(),
            "discriminator/separation": separation,
        }
