"""Games whose discriminator tells more than a score: a head on its last activation, of the same forward."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ganforge.api import DataError, DataSpec, DiscriminatorNetwork, Duel, FeatureDiscriminator, RecipeError
from ganforge.builtin.games.gan import GanGame
from ganforge.builtin.games.players import TwoPlayers


class HeadedDiscriminator(FeatureDiscriminator):
    """A discriminator with a head beside its score.

    Args:
        body: any discriminator that shows its last activation.
        head: last activations [B, F] -> what else is told [B, ...].
        labels: the body was built for labelled data.
    """

    def __init__(self, body: FeatureDiscriminator, head: nn.Module, *, labels: bool) -> None:
        super().__init__()
        self.body, self.head, self.labels, self.batch_group = body, head, labels, body.batch_group

    @property
    def width(self) -> int:
        """Numbers F in the last activation."""
        return self.body.width

    def forward_features(self, samples: Tensor, labels: Tensor | None = None) -> tuple[Tensor, Sequence[Tensor]]:
        """Return the body's logits [B] and activations."""
        return self.body.forward_features(samples, labels if self.labels else None)


class HeadedGame(GanGame):
    """A game of two that builds its discriminator on any `FeatureDiscriminator`."""

    discriminator: HeadedDiscriminator

    @abstractmethod
    def build_head(self, recipe: TwoPlayers, data: DataSpec, width: int) -> nn.Module:
        """Make what reads the last activation [B, width]."""

    def body_data(self, data: DataSpec) -> DataSpec:
        """Return what the body is built for."""
        return data

    def build_discriminator(self, recipe: TwoPlayers, data: DataSpec) -> DiscriminatorNetwork:
        """Make the body and put a head beside its score; a `RecipeError` where it does not show what it sees."""
        seen = self.body_data(data)
        body = recipe.discriminator.network.build(seen)
        if not isinstance(body, FeatureDiscriminator):
            raise RecipeError(
                f"'{recipe.kind}' reads the discriminator's last activation, and '{recipe.discriminator.network.kind}' "
                "does not show it; choose a discriminator that does, such as mlp or dcgan"
            )
        return self.join(body, self.build_head(recipe, data, body.width), seen)

    def join(self, body: FeatureDiscriminator, head: nn.Module, seen: DataSpec) -> HeadedDiscriminator:
        """Return the whole discriminator."""
        return HeadedDiscriminator(body, head, labels=seen.label_size > 0)

    def look(self, duel: Duel, *, real: bool = True, fake: bool = True) -> list[Tensor]:
        """Return the last activations [B, F] of a duel's real samples, of its generated ones, or of both.

        They come from the forward that scores them, whose logits the duel keeps: looking costs nothing.
        """
        seen: list[Tensor] = []

        def critic(samples: Tensor, labels: Tensor | None) -> Tensor:
            logits, activations = self.discriminator.forward_features(self.augmented(samples), labels)
            seen.append(activations[-1])
            return logits

        duel.discriminator = critic
        _ = duel.real_logits if real else None
        _ = duel.fake_logits if fake else None
        duel.discriminator = self.see
        return list(torch.cat(seen).chunk(real + fake))


class ClassifierGame(HeadedGame):
    """One whose head tells classes apart.

    Args:
        recipe: of the game.
        data: with classes; a `DataError` where there are none.
        shown: what the rest of the game is built for, `data` by default.
    """

    def __init__(self, recipe: TwoPlayers, data: DataSpec, shown: DataSpec | None = None) -> None:
        if not data.classes:
            raise DataError(
                f"'{recipe.kind}' learns from classes, and the data have none; turn labels on (data.labels = true), or "
                "choose the game gan"
            )
        self.classes = data.classes
        super().__init__(recipe, shown or data)

    def build_head(self, recipe: TwoPlayers, data: DataSpec, width: int) -> nn.Module:
        """Make the classifier."""
        return nn.Linear(width, self.classes)

    def classify(self, samples: Tensor) -> Tensor:
        """Return the head's logits [B, classes] of samples [B, *shape]."""
        logits: Tensor = self.discriminator.head(self.discriminator.forward_features(samples)[1][-1])
        return logits
