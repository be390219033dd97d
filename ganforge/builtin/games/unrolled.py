"""Unrolled GAN: the generator looks ahead."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

import torch
from pydantic import Field

from ganforge.api import Batch, Collective, DataSpec, Duel, Game, Regularizer, Terms
from ganforge.builtin.games.functional import Weights, duel_with, leaves
from ganforge.builtin.games.gan import GanGame
from ganforge.builtin.games.players import TwoPlayers


class Unrolled(TwoPlayers):
    """Unrolled GAN: the generator plays against the discriminator of `steps` steps from now (Metz et al. 2017).

    arXiv:1611.02163, eqs. 7 to 10. The discriminator's answer is unrolled by gradient descent on the adversarial loss
    of the same batch, and the generator's gradient runs through it; the discriminator itself takes ordinary steps.
    """

    kind: Literal["unrolled"] = "unrolled"
    steps: int = Field(default=5, ge=0, le=100, description="of the discriminator that are looked ahead; 0 = plain gan")
    lr: float = Field(default=0.1, gt=0, le=100, description="learning rate of the steps looked ahead (plain descent)")

    def build(self, data: DataSpec) -> Game:
        """Make the game; a `RecipeError` where a regularizer does not fit its network."""
        return UnrolledGame(self, data)


class UnrolledGame(GanGame):
    """The plain game, but for what the generator minimises."""

    whole_batch: ClassVar[bool] = True

    def __init__(self, recipe: Unrolled, data: DataSpec) -> None:
        super().__init__(recipe, data)
        self.steps, self.lr, self.collective = recipe.steps, recipe.lr, Collective()

    def generator_terms(self, regularizers: Sequence[Regularizer], batch: Batch) -> Terms:
        """What the generator minimises: its loss against the discriminator to come."""
        duel = self.duel_of_generator(batch)
        ahead = duel_with(self, duel, duel.fake, self.unroll(duel))
        return {"adversarial": self.top_k_loss(ahead)} | self.penalty_terms("generator", regularizers, duel)

    def unroll(self, duel: Duel) -> Weights:
        """Return the discriminator's weights after the steps, as functions of the generator's."""
        weights = leaves(self.discriminator)
        for _ in range(self.steps):
            loss = self.loss.discriminator(duel_with(self, duel, duel.fake, weights)).mean()
            slopes = self.collective.mean(torch.autograd.grad(loss, list(weights.values()), create_graph=True))
            weights = {
                name: weight - self.lr * slope for (name, weight), slope in zip(weights.items(), slopes, strict=True)
            }
        return weights
