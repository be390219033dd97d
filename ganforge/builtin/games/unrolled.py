"""Unrolled GAN: the generator looks ahead."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from ganforge.api import Collective, DataSpec, Duel, Game
from ganforge.builtin.games.gan import GanGame
from ganforge.builtin.games.parts.functional import Weights, detached_weights, duel_with_weights
from ganforge.builtin.games.parts.two_player import TwoPlayerRecipe


class Unrolled(TwoPlayerRecipe):
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
    """The plain game, but for the generator's adversarial loss."""

    whole_batch: ClassVar[bool] = True

    def __init__(self, recipe: Unrolled, data: DataSpec) -> None:
        super().__init__(recipe, data)
        self.steps, self.lr, self.collective = recipe.steps, recipe.lr, Collective()

    def generator_adversarial_loss(self, duel: Duel) -> Tensor:
        """Return the generator's loss against the discriminator to come, [k] or as the logits."""
        return super().generator_adversarial_loss(duel_with_weights(self, duel, duel.fake, self.unroll(duel)))

    def unroll(self, duel: Duel) -> Weights:
        """Return the discriminator's weights after the steps, as functions of the generator's."""
        weights = detached_weights(self.discriminator)
        for _ in range(self.steps):
            loss = self.loss.discriminator(duel_with_weights(self, duel, duel.fake, weights)).mean()
            gradients = self.collective.mean(torch.autograd.grad(loss, list(weights.values()), create_graph=True))
            weights = {
                name: weight - self.lr * gradient
                for (name, weight), gradient in zip(weights.items(), gradients, strict=True)
            }
        return weights
