"""AC-GAN: the discriminator also tells classes apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from pydantic import Field
from torch import Tensor
from torch.nn.functional import cross_entropy

from ganforge.api import DataSpec, Duel, Game, NonNegativeNumber, Regularizer, Terms
from ganforge.builtin.games.parts.auxiliary_head import ClassifierGame
from ganforge.builtin.games.parts.two_player import TwoPlayerRecipe


class AcGan(TwoPlayerRecipe):
    """AC-GAN: an auxiliary classifier beside the score, whose verdict both players improve (Odena et al. 2017).

    arXiv:1610.09585, eqs. 2 and 3: the discriminator maximises L_S + L_C, the generator L_C - L_S, where L_C is the
    log-likelihood of the class of real and of generated samples. The generator is given the label; the discriminator is
    not, it has a linear layer on its last activation that tells the class.
    """

    kind: Literal["ac-gan"] = "ac-gan"
    class_weight: NonNegativeNumber = Field(
        default=1.0, description="of the classification of real samples, for the discriminator"
    )
    fake_class_weight: NonNegativeNumber = Field(
        default=1.0, description="of the classification of generated samples, for the discriminator"
    )
    generator_class_weight: NonNegativeNumber = Field(
        default=1.0, description="of the classification of generated samples, for the generator"
    )

    def build(self, data: DataSpec) -> Game:
        """Make the game; a `DataError` where the data have no classes."""
        return AcGanGame(self, data)


class AcGanGame(ClassifierGame):
    """The plain game, and a cross-entropy for either player."""

    def __init__(self, recipe: AcGan, data: DataSpec) -> None:
        super().__init__(recipe, data)
        self.class_weight, self.fake_class_weight = recipe.class_weight, recipe.fake_class_weight
        self.generator_class_weight = recipe.generator_class_weight

    def backbone_data(self, data: DataSpec) -> DataSpec:
        """Return the data without their labels."""
        return replace(data, classes=0, class_names=())

    def discriminator_terms(self, duel: Duel, regularizers: Sequence[Regularizer]) -> Terms:
        """Return the discriminator's loss in this duel, term by term."""
        real, fake = self.last_activations(duel)
        return {
            **super().discriminator_terms(duel, regularizers),
            "class-real": self.clock.value(self.class_weight) * self.classification_loss(real, duel.labels),
            "class-fake": self.clock.value(self.fake_class_weight) * self.classification_loss(fake, duel.labels),
        }

    def generator_terms(self, duel: Duel, regularizers: Sequence[Regularizer]) -> Terms:
        """Return the generator's loss in this duel, term by term."""
        (fake,) = self.last_activations(duel, real=False)
        loss = self.clock.value(self.generator_class_weight) * self.classification_loss(fake, duel.labels)
        return {**super().generator_terms(duel, regularizers), "class-fake": loss}

    def classification_loss(self, activations: Tensor, labels: Tensor | None) -> Tensor:
        """Return the cross-entropy [B] of the classes that the head sees in last activations [B, F]."""
        assert labels is not None, "data with classes come with labels"
        return cross_entropy(self.discriminator.head(activations), labels, reduction="none")
