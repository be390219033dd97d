"""Players and turns: all that the runner knows about a GAN."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from pydantic import Field
from torch import Tensor, nn

from ganforge.component import Component, Strict
from ganforge.data import Batch, DataSpec
from ganforge.errors import GanforgeError
from ganforge.network import Draw
from ganforge.schedule import PositiveNumber
from ganforge.slots import AnyConstraint, AnyOptimizer

Terms = Mapping[str, Tensor]  # name -> [B, ...] or []; their means add up to the loss


@dataclass(frozen=True)
class Turn:
    """In a round where it is due, one player takes one step down one objective.

    Args:
        name: of the turn, unique in its game; what it draws at random depends on it.
        player: a child of the game.
        objective: batch -> named terms; the loss is the sum of their means, and each is logged.
        every: rounds between turns.
        lazy: make up for the skipped rounds: the loss is multiplied by `every`, and the player's learning rate and
            betas are corrected for the added steps.
        after_images: not before so many images were shown.
    """

    name: str
    player: str
    objective: Callable[[Batch], Terms]
    every: int = 1
    lazy: bool = False
    after_images: int = 0

    def due(self, round_: int, images: int) -> bool:
        """Whether the turn is taken in this round."""
        return round_ % self.every == 0 and images >= self.after_images

    @property
    def gain(self) -> float:
        """What the loss is multiplied by."""
        return float(self.every) if self.lazy else 1.0


class Game(nn.Module, ABC):
    """A GAN family at play. Its players are the children that its turns name; all its state is its `state_dict`."""

    reads: ClassVar[frozenset[str]] = frozenset({"image"})  # batch entries it needs
    whole_batch: ClassVar[bool] = False  # its objectives look at a batch as a whole: splitting it changes them

    @abstractmethod
    def turns(self) -> Sequence[Turn]:
        """Return the turns of a round, in order."""

    @abstractmethod
    def sample(self, count: int, labels: Tensor | None = None, truncation: float = 1.0) -> Tensor:
        """Return `count` generated samples; whoever asks rolls the dice first, and so chooses the latents.

        Args:
            count: how many.
            labels: [count]; None draws them evenly where the data have classes.
            truncation: in (0, 1]; less variety, more likeness.
        """

    def draw(self, count: int, labels: Tensor | None = None) -> Draw:
        """Return what `count` samples are made of, for those who ask the generator itself; as for `sample`.

        Raises:
            GanforgeError: the game's samples do not come from one generator's latents.
        """
        raise GanforgeError(
            f"{type(self).__name__} does not tell which generator and latents its samples come from; "
            "choose a metric that looks at samples only"
        )

    def begin_round(self, images: int) -> None:
        """Prepare for a round; `images` were shown so far."""

    def readings(self) -> Mapping[str, Tensor]:
        """Return what is worth logging beside the terms: name -> []."""
        return {}


class EmaRecipe(Strict):
    """An exponential moving average of a player's weights, used for samples and metrics."""

    half_life_images: PositiveNumber = Field(default=10_000, description="images shown in which an old weight halves")
    rampup: float = Field(
        default=0.05, ge=0, le=1, description="at first the half-life is this share of the images shown; 0 = none"
    )


class PlayerRecipe(Strict):
    """What every player has: an optimizer, perhaps an average, and constraints on its weights."""

    optimizer: AnyOptimizer = Field(description="how its weights follow the gradient")
    ema: EmaRecipe | None = Field(default=None, description="average of the weights; without it there is none")
    constraints: tuple[AnyConstraint, ...] = Field(default=(), description="what is done to its weights")


class GameComponent(Component):
    """A GAN family as a recipe entry."""

    @abstractmethod
    def build(self, data: DataSpec) -> Game:
        """Make the game for these data."""

    @abstractmethod
    def players(self) -> Mapping[str, PlayerRecipe]:
        """Return the players' recipes by the name of the child of the game that they are about."""
