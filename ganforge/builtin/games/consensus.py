"""Consensus optimisation: both players also seek a place where neither wants to move."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from ganforge.api import Batch, Collective, DataSpec, Duel, Game, PositiveNumber, Regularizer, Terms, value_at
from ganforge.builtin.games.gan import GanGame
from ganforge.builtin.games.parts.functional import Weights, detached_weights, duel_with_weights, samples_with_weights
from ganforge.builtin.games.parts.two_player import TwoPlayerRecipe


class Consensus(TwoPlayerRecipe):
    """Consensus optimisation: gamma / 2 times the squared norm of both players' gradients (Mescheder et al. 2017).

    arXiv:1705.10461, algorithm 1: added to the loss of either player, whose own weights then also move to where the
    gradient field of the game is small. The field is that of the adversarial losses, regularizers left out.
    """

    kind: Literal["consensus"] = "consensus"
    gamma: PositiveNumber = Field(default=10.0, description="weight of the term")

    def build(self, data: DataSpec) -> Game:
        """Make the game; a `RecipeError` where a regularizer does not fit its network."""
        return ConsensusGame(self, data)


class ConsensusGame(GanGame):
    """The plain game, with one term more on either side."""

    whole_batch: ClassVar[bool] = True

    def __init__(self, recipe: Consensus, data: DataSpec) -> None:
        super().__init__(recipe, data)
        self.gamma, self.collective = recipe.gamma, Collective()

    def discriminator_objective(self, regularizers: Sequence[Regularizer], batch: Batch) -> Terms:
        """Return what the discriminator minimises in its main turn, on a batch."""
        return {
            **super().discriminator_objective(regularizers, batch),
            "consensus": self.consensus_penalty(self.discriminator_duel(batch, ())),
        }

    def generator_objective(self, regularizers: Sequence[Regularizer], batch: Batch) -> Terms:
        """Return what the generator minimises in its main turn, on a batch."""
        return {
            **super().generator_objective(regularizers, batch),
            "consensus": self.consensus_penalty(self.generator_duel(batch)),
        }

    def consensus_penalty(self, duel: Duel) -> Tensor:
        """Return gamma / 2 times the squared norm of the gradient field, []; it reaches the mover's weights only."""
        player_weights = dict(duel.player.named_parameters())
        discriminates = duel.role == "discriminator"
        discriminator_weights: Weights = player_weights if discriminates else detached_weights(self.discriminator)
        generator_weights: Weights = detached_weights(self.generator) if discriminates else player_weights
        assert duel.latents is not None
        fake = samples_with_weights(self, generator_weights, duel.latents, duel.labels)
        borrowed = duel_with_weights(self, duel, fake, discriminator_weights)
        losses = (
            (self.loss.discriminator(borrowed), discriminator_weights),
            (self.loss.generator(borrowed), generator_weights),
        )
        gradients = [
            gradient
            for loss, weights in losses
            for gradient in torch.autograd.grad(
                loss.mean(), _trainable(weights), create_graph=True, materialize_grads=True
            )
        ]
        gradients = self.collective.mean(gradients)
        return torch.stack([gradient.square().sum() for gradient in gradients]).sum() * (
            value_at(self.gamma, duel.images) / 2
        )


def _trainable(weights: Weights) -> list[Tensor]:
    return [weight for weight in weights.values() if weight.requires_grad]
