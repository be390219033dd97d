"""Players and turns: all that the runner knows about a GAN."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator
from torch import Tensor, nn

from ganforge.api.component import Component, Strict
from ganforge.api.data import Batch, DataSpec
from ganforge.api.network import Draw
from ganforge.api.schedule import PositiveNumber
from ganforge.api.slots import AnyConstraint, AnyOptimizer
from ganforge.errors import GanforgeError

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
    whole_batch: ClassVar[bool] = False  # its objectives look at a batch as a whole: micro-batches change them

    partial_labels: ClassVar[bool] = False  # it plays on data of which only some labels are known
    draws_labels: ClassVar[bool] = True  # where the data have labels, samples can be asked for by label

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

    def classify(self, samples: Tensor) -> Tensor:
        """Return what the game makes of samples [B, *shape]: logits [B, classes].

        Raises:
            GanforgeError: the game has no classifier.
        """
        raise GanforgeError(
            f"{type(self).__name__} does not tell classes; choose a game that does, such as semi-supervised or ac-gan, "
            "or another metric"
        )

    def score(self, samples: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return how real samples [B, *shape] look to the discriminator, not augmented: logits [B, ...].

        Raises:
            GanforgeError: the game has no single discriminator.
        """
        raise GanforgeError(
            f"{type(self).__name__} does not score samples, so that nothing can be said about held-out ones; leave out "
            "diagnosis.held_out"
        )

    def begin_round(self, images: int) -> None:
        """Prepare for a round; `images` were shown so far."""

    def readings(self) -> Mapping[str, Tensor]:
        """Return what is worth logging beside the terms: name -> []."""
        return {}


class EmaRecipe(Strict):
    """An average of a player's weights, used for samples and metrics."""

    shape: Literal["exponential", "power", "uniform"] = Field(
        default="exponential",
        description="which old weights count: exponential = of the last half-life; power = of a share of all training "
        "(Karras et al. 2024, arXiv:2312.02696, sec. 3.1); uniform = all alike (Yazici et al. 2019, arXiv:1806.04498)",
    )
    half_life_images: PositiveNumber = Field(
        default=10_000, description="of the exponential shape: images shown in which an old weight halves"
    )
    rampup: float = Field(
        default=0.05,
        ge=0,
        le=1,
        description="of the exponential shape: at first the half-life is this share of the images shown; 0 = none",
    )
    width: float | None = Field(
        default=None,
        gt=0,
        le=0.28,
        description="of the power shape: standard deviation of what counts, as a share of training; left out: 0.1",
    )
    after_images: NonNegativeInt = Field(
        default=0, description="images shown before which nothing is averaged: the weights are copied"
    )

    @model_validator(mode="after")
    def _check(self) -> EmaRecipe:
        if self.width is not None and self.shape != "power":
            raise ValueError(f"width is of the power shape, and shape = '{self.shape}'; leave it out, or choose power")
        return self


class StartRecipe(Strict):
    """Weights that a player begins with instead of random ones: those of another run, or of a file."""

    run: str | None = Field(default=None, min_length=1, description="folder of a run, relative to the working folder")
    weights: str | None = Field(
        default=None, min_length=1, description="safetensors file of weights, as `ganforge export` writes it"
    )
    checkpoint: PositiveInt | str | None = Field(
        default=None,
        description='of the run: images shown when it was saved, "best", or its folder; left out: the newest',
    )
    player: str | None = Field(default=None, description="of the run: whose weights; left out: the player of this name")
    averaged: bool = Field(default=True, description="of the run: the averaged weights, where there is an average")
    missing: Literal["replace", "refuse"] = Field(
        default="replace", description="weights that do not fit: replace = begin with random ones; refuse = an error"
    )

    @model_validator(mode="after")
    def _check(self) -> StartRecipe:
        if (self.run is None) == (self.weights is None):
            raise ValueError("expected either run, the folder of a run, or weights, a safetensors file")
        if self.weights is not None and (self.checkpoint is not None or self.player is not None):
            raise ValueError("checkpoint and player are of a run, and weights is a file: leave them out")
        return self


class PlayerRecipe(Strict):
    """What every player has: an optimizer, perhaps an average, and constraints on its weights."""

    optimizer: AnyOptimizer = Field(description="how its weights follow the gradient")
    ema: EmaRecipe | None = Field(default=None, description="average of the weights; without it there is none")
    constraints: tuple[AnyConstraint, ...] = Field(default=(), description="what is done to its weights")
    start: StartRecipe | None = Field(default=None, description="weights to begin with; without it they are random")


class GameComponent(Component):
    """A GAN family as a recipe entry."""

    family: ClassVar[str] = "games"
    noun: ClassVar[str] = "game"

    @abstractmethod
    def build(self, data: DataSpec) -> Game:
        """Make the game for these data."""

    @abstractmethod
    def players(self) -> Mapping[str, PlayerRecipe]:
        """Return the players' recipes by the name of the child of the game that they are about."""
