"""Semi-supervised GAN: a classifier that learns from few labels, and from telling real samples from generated ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from ganforge.api import DataSpec, Duel, FeatureDiscriminator, Game, NonNegativeNumber, Regularizer, Terms
from ganforge.builtin.games.parts.auxiliary_head import AuxiliaryHeadDiscriminator, ClassifierGame
from ganforge.builtin.games.parts.two_player import TwoPlayerRecipe


class SemiSupervised(TwoPlayerRecipe):
    """Semi-supervised GAN: K classes of real samples, and generated ones as class K + 1 (Salimans et al. 2016).

    arXiv:1606.03498, sec. 5. With the logit of class K + 1 fixed at 0, the odds that a sample is real are the sum of
    exp(l_k) over the others: the score is their logsumexp, and any loss of scores fits; the paper's is
    `non-saturating`. The paper's generator does nothing but match features: give it the regularizer feature-matching
    and set generator_adversarial_weight = 0. It knows no labels.
    """

    kind: Literal["semi-supervised"] = "semi-supervised"
    class_weight: NonNegativeNumber = Field(
        default=1.0, description="of the classification of labelled samples, for the discriminator"
    )
    adversarial_weight: NonNegativeNumber = Field(
        default=1.0, description="of telling real from generated, for the discriminator; 0 = learn from labels alone"
    )
    generator_adversarial_weight: NonNegativeNumber = Field(
        default=1.0, description="of the adversarial loss, for the generator; 0 = it follows its regularizers alone"
    )

    @model_validator(mode="after")
    def _check_generator(self) -> Self:
        if self.generator_adversarial_weight == 0 and not any(
            penalty.every == 1 for penalty in self.generator.regularizers
        ):
            raise ValueError(
                "generator_adversarial_weight is 0, and the generator would learn nothing; give it a regularizer "
                'of every round: generator.regularizers = [{ kind = "feature-matching" }]'
            )
        return self

    def build(self, data: DataSpec) -> Game:
        """Make the game; a `DataError` where the data have no classes."""
        return SemiSupervisedGame(self, data)


class ClassifyingDiscriminator(AuxiliaryHeadDiscriminator):
    """Scores a sample by the odds of its being of any class; the backbone's own last layer is not used."""

    def forward_features(self, samples: Tensor, labels: Tensor | None = None) -> tuple[Tensor, Sequence[Tensor]]:
        """Return log sum_k exp(l_k) [B] of the head's logits l, and the backbone's activations."""
        activations = super().forward_features(samples, labels)[1]
        return self.head(activations[-1]).logsumexp(1), activations


class SemiSupervisedGame(ClassifierGame):
    """The plain game by other scores, and a cross-entropy where the label is known.

    The cross-entropy is divided by the fraction of labels that are known in all the data, not in the batch at hand, so
    that the mean does not depend on how a batch is split.
    """

    partial_labels: ClassVar[bool] = True
    draws_labels: ClassVar[bool] = False

    def __init__(self, recipe: SemiSupervised, data: DataSpec) -> None:
        self.labelled = data.labelled
        super().__init__(recipe, data, game_data=replace(data, classes=0, class_names=(), labelled=1.0))
        self.class_weight, self.adversarial_weight = recipe.class_weight, recipe.adversarial_weight
        self.generator_adversarial_weight = recipe.generator_adversarial_weight

    def attach_head(
        self, backbone: FeatureDiscriminator, head: nn.Module, data: DataSpec
    ) -> AuxiliaryHeadDiscriminator:
        """Return the whole discriminator."""
        return ClassifyingDiscriminator(backbone, head, labels=False)

    def discriminator_terms(self, duel: Duel, regularizers: Sequence[Regularizer]) -> Terms:
        """Return the discriminator's loss in this duel, term by term."""
        real, _ = self.last_activations(duel)
        terms = dict(super().discriminator_terms(duel, regularizers))
        terms["adversarial"] = self.clock.value(self.adversarial_weight) * terms["adversarial"]
        assert duel.labels is not None, "data with classes come with labels"
        losses = labelled_cross_entropy(self.discriminator.head(real), duel.labels) / self.labelled
        return {**terms, "class": self.clock.value(self.class_weight) * losses}

    def generator_terms(self, duel: Duel, regularizers: Sequence[Regularizer]) -> Terms:
        """Return the generator's loss in this duel, term by term."""
        if self.generator_adversarial_weight == 0:
            return self.penalty_terms("generator", regularizers, duel)
        terms = dict(super().generator_terms(duel, regularizers))
        return {**terms, "adversarial": self.clock.value(self.generator_adversarial_weight) * terms["adversarial"]}


def labelled_cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the cross-entropy [B] of logits [B, K] where the label [B] is known, and 0 where it is -1."""
    return cross_entropy(logits, labels, ignore_index=-1, reduction="none")
