"""Auxiliary heads: a second output on the discriminator's last activation, of the same forward."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ganforge.api import DataError, DataSpec, DiscriminatorNetwork, Duel, FeatureDiscriminator, RecipeError
from ganforge.builtin.games.gan import GanGame
from ganforge.builtin.games.parts.two_player import TwoPlayerRecipe


class AuxiliaryHeadDiscriminator(FeatureDiscriminator):
    """A discriminator with a head beside its score.

    Args:
        backbone: any discriminator that shows its last activation.
        head: last activations [B, F] -> what else is told [B, ...].
        labels: the backbone was built for labelled data.
    """

    def __init__(self, backbone: FeatureDiscriminator, head: nn.Module, *, labels: bool) -> None:
        super().__init__()
        self.backbone, self.head, self.labels, self.batch_group = backbone, head, labels, backbone.batch_group

    @property
    def width(self) -> int:
        """Numbers F in the last activation."""
        return self.backbone.width

    def forward_features(self, samples: Tensor, labels: Tensor | None = None) -> tuple[Tensor, Sequence[Tensor]]:
        """Return the backbone's logits [B] and activations."""
        return self.backbone.forward_features(samples, labels if self.labels else None)


class AuxiliaryHeadGame(GanGame):
    """A game of two that builds its discriminator on any `FeatureDiscriminator`."""

    discriminator: AuxiliaryHeadDiscriminator

    @abstractmethod
    def build_head(self, recipe: TwoPlayerRecipe, data: DataSpec, width: int) -> nn.Module:
        """Make what reads the last activation [B, width]."""

    def backbone_data(self, data: DataSpec) -> DataSpec:
        """Return what the backbone is built for."""
        return data

    def build_discriminator(self, recipe: TwoPlayerRecipe, data: DataSpec) -> DiscriminatorNetwork:
        """Make the backbone and put a head beside its score; a `RecipeError` where it does not show what it sees."""
        backbone_data = self.backbone_data(data)
        backbone = recipe.discriminator.network.build(backbone_data)
        if not isinstance(backbone, FeatureDiscriminator):
            raise RecipeError(
                f"'{recipe.kind}' reads the discriminator's last activation, and '{recipe.discriminator.network.kind}' "
                "does not show it; choose a discriminator that does, such as mlp or dcgan"
            )
        return self.attach_head(backbone, self.build_head(recipe, data, backbone.width), backbone_data)

    def attach_head(
        self, backbone: FeatureDiscriminator, head: nn.Module, data: DataSpec
    ) -> AuxiliaryHeadDiscriminator:
        """Return the whole discriminator."""
        return AuxiliaryHeadDiscriminator(backbone, head, labels=data.label_size > 0)

    def last_activations(self, duel: Duel, *, real: bool = True, fake: bool = True) -> list[Tensor]:
        """Return the last activations [B, F] of a duel's real samples, of its generated ones, or of both.

        They come from the forward that scores them, whose logits the duel keeps: looking costs nothing.
        """
        found: list[Tensor] = []

        def score(samples: Tensor, labels: Tensor | None) -> Tensor:
            logits, activations = self.discriminator.forward_features(self.augment(samples), labels)
            found.append(activations[-1])
            return logits

        duel.discriminator = score
        _ = duel.real_logits if real else None
        _ = duel.fake_logits if fake else None
        duel.discriminator = self.discriminator_logits
        return list(torch.cat(found).chunk(real + fake))


class ClassifierGame(AuxiliaryHeadGame):
    """A game whose auxiliary head classifies.

    Args:
        recipe: of the game.
        data: with classes; a `DataError` where there are none.
        game_data: what the rest of the game is built for, `data` by default.
    """

    def __init__(self, recipe: TwoPlayerRecipe, data: DataSpec, game_data: DataSpec | None = None) -> None:
        if not data.classes:
            raise DataError(
                f"'{recipe.kind}' learns from classes, and the data have none; turn labels on (data.labels = true), or "
                "choose the game gan"
            )
        self.classes = data.classes
        super().__init__(recipe, game_data or data)

    def build_head(self, recipe: TwoPlayerRecipe, data: DataSpec, width: int) -> nn.Module:
        """Make the classifier."""
        return nn.Linear(width, self.classes)

    def classify(self, samples: Tensor) -> Tensor:
        """Return the head's logits [B, classes] of samples [B, *shape]."""
        logits: Tensor = self.discriminator.head(self.discriminator.forward_features(samples)[1][-1])
        return logits
