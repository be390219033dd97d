"""Semi-supervised GAN: a classifier that learns from few labels, and from telling real samples from generated ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from ganforge.api import DataSpec, Duel, FeatureDiscriminator, Game, NonNegativeNumber, Regularizer, Terms
from ganforge.builtin.games.heads import ClassifierGame, HeadedDiscriminator
from ganforge.builtin.games.players import TwoPlayers


class SemiSupervised(TwoPlayers):
    """Semi-supervised GAN: K classes of real samples, and generated ones as class K + 1 (Salimans et al. 2016).

    arXiv:1606.03498, sec. 5. With the logit of class K + 1 fixed at 0, the odds that a sample is real are the sum of
    exp(l_k) over the others: the score is their logsumexp, and any loss of scores fits; the paper's is
    `non-saturating`. The paper's generator does nothing but match features: give it the regularizer feature-matching
    and set deceiving_weight = 0. It knows no labels.
    """

    kind: Literal["semi-supervised"] = "semi-supervised"
    class_weight: NonNegativeNumber = Field(
        default=1.0, description="of the classification of labelled samples, for the discriminator"
    )
    adversarial_weight: NonNegativeNumber = Field(
        default=1.0, description="of telling real from generated, for the discriminator; 0 = learn from labels alone"
    )
    deceiving_weight: NonNegativeNumber = Field(
        default=1.0, description="of the adversarial loss, for the generator; 0 = it follows its regularizers alone"
    )

    @model_validator(mode="after")
    def _check_generator(self) -> Self:
        if self.deceiving_weight == 0 and not any(penalty.every == 1 for penalty in self.generator.regularizers):
            raise ValueError(
                "deceiving_weight is 0, and the generator would learn nothing; give it a regularizer of every round: "
                'generator.regularizers = [{ kind = "feature-matching" }]'
            )
        return self

    def build(self, data: DataSpec) -> Game:
        """Make the game; a `DataError` where the data have no classes."""
        return SemiSupervisedGame(self, data)


class ClassifyingDiscriminator(HeadedDiscriminator):
    """Scores a sample by the odds of its being of any class; the body's own last layer is not used."""

    def forward_features(self, samples: Tensor, labels: Tensor | None = None) -> tuple[Tensor, Sequence[Tensor]]:
        """Return log sum_k exp(l_k) [B] of the head's logits l, and the body's activations."""
        activations = super().forward_features(samples, labels)[1]
        return self.head(activations[-1]).logsumexp(1), activations


class SemiSupervisedGame(ClassifierGame):
    """The plain game by other scores, and a cross-entropy where the label is known.

    The cross-entropy is divided by the share of labels that are known in all the data, not in the batch at hand, so
    that the mean does not depend on how a batch is split.
    """

    partial_labels: ClassVar[bool] = True
    draws_labels: ClassVar[bool] = False

    def __init__(self, recipe: SemiSupervised, data: DataSpec) -> None:
        self.labelled = data.labelled
        super().__init__(recipe, data, shown=replace(data, classes=0, class_names=(), labelled=1.0))
        self.class_weight, self.adversarial_weight = recipe.class_weight, recipe.adversarial_weight
        self.deceiving_weight = recipe.deceiving_weight

    def join(self, body: FeatureDiscriminator, head: nn.Module, seen: DataSpec) -> HeadedDiscriminator:
        """Return the whole discriminator."""
        return ClassifyingDiscriminator(body, head, labels=False)

    def discriminator_duel_terms(self, duel: Duel, regularizers: Sequence[Regularizer]) -> Terms:
        """What the discriminator minimises."""
        real, _ = self.look(duel)
        terms = dict(super().discriminator_duel_terms(duel, regularizers))
        terms["adversarial"] = self.clock.value(self.adversarial_weight) * terms["adversarial"]
        assert duel.labels is not None, "data with classes come with labels"
        losses = known_cross_entropy(self.discriminator.head(real), duel.labels) / self.labelled
        return {**terms, "class": self.clock.value(self.class_weight) * losses}

    def generator_duel_terms(self, duel: Duel, regularizers: Sequence[Regularizer]) -> Terms:
        """What the generator minimises."""
        if self.deceiving_weight == 0:
            return self.penalty_terms("generator", regularizers, duel)
        terms = dict(super().generator_duel_terms(duel, regularizers))
        return {**terms, "adversarial": self.clock.value(self.deceiving_weight) * terms["adversarial"]}


def known_cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the cross-entropy [B] of logits [B, K] where the label [B] is known, and 0 where it is -1."""
    return cross_entropy(logits, labels, ignore_index=-1, reduction="none")
