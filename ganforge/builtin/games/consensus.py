"""Consensus optimisation: both players also seek a place where neither wants to move."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from ganforge.api import Batch, Collective, DataSpec, Duel, Game, PositiveNumber, Regularizer, Terms, value_at
from ganforge.builtin.games.functional import Weights, duel_with, leaves, samples_with
from ganforge.builtin.games.gan import GanGame
from ganforge.builtin.games.players import TwoPlayers


class Consensus(TwoPlayers):
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

    def discriminator_terms(self, regularizers: Sequence[Regularizer], batch: Batch) -> Terms:
        """What the discriminator minimises in its own turn."""
        return {
            **super().discriminator_terms(regularizers, batch),
            "consensus": self.consensus_penalty(self.duel_of_discriminator(batch, ())),
        }

    def generator_terms(self, regularizers: Sequence[Regularizer], batch: Batch) -> Terms:
        """What the generator minimises in its own turn."""
        return {
            **super().generator_terms(regularizers, batch),
            "consensus": self.consensus_penalty(self.duel_of_generator(batch)),
        }

    def consensus_penalty(self, duel: Duel) -> Tensor:
        """Return gamma / 2 times the squared norm of the gradient field, []; only the mover's weights feel it."""
        own = dict(duel.player.named_parameters())
        discriminates = duel.role == "discriminator"
        judging: Weights = own if discriminates else leaves(self.discriminator)
        making: Weights = leaves(self.generator) if discriminates else own
        assert duel.latents is not None
        fake = samples_with(self, making, duel.latents, duel.labels)
        seen = duel_with(self, duel, fake, judging)
        losses = ((self.loss.discriminator(seen), judging), (self.loss.generator(seen), making))
        slopes = [
            slope
            for loss, weights in losses
            for slope in torch.autograd.grad(loss.mean(), _learning(weights), create_graph=True, materialize_grads=True)
        ]
        slopes = self.collective.mean(slopes)
        return torch.stack([slope.square().sum() for slope in slopes]).sum() * (value_at(self.gamma, duel.images) / 2)


def _learning(weights: Weights) -> list[Tensor]:
    return [weight for weight in weights.values() if weight.requires_grad]
