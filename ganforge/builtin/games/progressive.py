"""A game whose networks grow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import torch
from pydantic import Field, NonNegativeInt, PositiveInt, field_validator
from torch import Tensor

from ganforge.api import Batch, DataSpec, Draw, Duel, Game, GrowingNetwork, RecipeError, Regularizer, Strict
from ganforge.builtin.games.gan import GanGame
from ganforge.builtin.games.parts.two_player import TwoPlayerRecipe
from ganforge.builtin.networks.layers.progressive_growing import downsample, fade_in, upsample


class Stage(NamedTuple):
    """One resolution: it begins after so many images shown, and its layers fade in while so many more are."""

    resolution: int
    after_images: int
    fade: int


class StageRecipe(Strict):
    """A resolution with a budget of its own."""

    resolution: PositiveInt = Field(le=4096, description="height and width")
    fade: NonNegativeInt = Field(description="images shown while its layers fade in; 0 = at once")
    stable: NonNegativeInt = Field(description="images shown after that, before the next resolution")


class GrowthRecipe(Strict):
    """When resolutions come: the first is stable, each next one fades in and is stable, the last one to the end."""

    start: PositiveInt = Field(
        default=4, ge=4, le=4096, description="height and width of the first images; a power of two"
    )
    fade: NonNegativeInt = Field(description="images shown while a resolution fades in")
    stable: NonNegativeInt = Field(description="images shown after that, before the next one")
    stages: tuple[StageRecipe, ...] = Field(default=(), description="resolutions with a budget of their own")

    @field_validator("start")
    @classmethod
    def _power_of_two(cls, start: int) -> int:
        if start & (start - 1):
            raise ValueError(f"expected a power of two (4, 8, 16, ...), given {start}")
        return start

    def plan(self, resolution: int) -> tuple[Stage, ...]:
        """Return the stages up to the data's resolution.

        Raises:
            RecipeError: it begins above the data's resolution, or a stage is of a resolution that never comes.
        """
        if self.start > resolution:
            raise RecipeError(
                f"game.growth.start = {self.start} is above the data's resolution of {resolution}; begin with "
                f"{resolution} or less"
            )
        sizes = [2**level for level in range(self.start.bit_length() - 1, resolution.bit_length())]
        own = {stage.resolution: stage for stage in self.stages}
        strange = sorted(set(own) - set(sizes))
        if strange or len(own) < len(self.stages):
            found = ", ".join(str(stage.resolution) for stage in self.stages)
            raise RecipeError(
                f"game.growth.stages are of resolutions {found}; expected each once, of those that come: "
                f"{', '.join(map(str, sizes))}"
            )
        stages, after = [], 0
        for size in sizes:
            budget = own.get(size, self)
            fade = budget.fade if size > self.start else 0
            stages.append(Stage(size, after, fade))
            after += fade + budget.stable
        return tuple(stages)


def stage_at(stages: Sequence[Stage], images: int) -> tuple[int, float]:
    """Return the resolution after `images` images shown, and how far its layers have faded in, in [0, 1]."""
    stage = next(stage for stage in reversed(stages) if stage.after_images <= images)
    done = images - stage.after_images
    return stage.resolution, done / stage.fade if done < stage.fade else 1.0


class Progressive(TwoPlayerRecipe):
    """A generator against a discriminator, both of which grow (Karras et al. 2018, arXiv:1710.10196, sec. 2, app. A).

    Both work at a low resolution first; as images are shown, layers for higher ones fade in, and real images along with
    them. Layers that are not yet there have no gradient: they stay as they are, and so do their averages. Optimizers go
    on: Adam's moments of the layers that are there are kept, those of new layers begin with their first gradient (the
    authors' code starts all of them anew, which with betas of 0 and 0.99 is forgotten within some hundred steps).
    Where each resolution has a batch of its own, `run.batches` says so. Grids and metrics see samples at the data's
    resolution.
    """

    kind: Literal["progressive"] = "progressive"
    growth: GrowthRecipe = Field(description="when resolutions come")

    def build(self, data: DataSpec) -> Game:
        """Make the game; a `RecipeError` where a network does not grow or a regularizer does not fit."""
        return ProgressiveGame(self, data)


class ProgressiveGame(GanGame):
    """The plain game of two at a resolution that is a function of the images shown."""

    def __init__(self, recipe: Progressive, data: DataSpec) -> None:
        super().__init__(recipe, data)
        self.stages = recipe.growth.plan(data.resolution)
        for side, network in (("generator", self.generator), ("discriminator", self.discriminator)):
            if not isinstance(network, GrowingNetwork):
                raise RecipeError(
                    f"game.{side}.network: a {type(network).__name__} does not grow; choose one that does, such as "
                    "progan or stylegan, or the game 'gan'"
                )
            strange = [str(stage.resolution) for stage in self.stages if stage.resolution not in network.resolutions]
            if strange:
                raise RecipeError(f"game.{side}.network does not work at {', '.join(strange)}; start later")

    def stage(self) -> tuple[int, float]:
        """Return resolution and blend by now, having told both networks (averaged ones where these are in place)."""
        resolution, blend = stage_at(self.stages, self.clock.images)
        for network in (self.generator, self.discriminator):
            assert isinstance(network, GrowingNetwork)
            network.grow(resolution, blend)
        return resolution, blend

    def at_stage(self, batch: Batch) -> Batch:
        """Return a batch with its images as this stage shows them."""
        return {**batch, "image": fade_in(batch["image"], *self.stage())}

    def discriminator_duel(self, batch: Batch, regularizers: Sequence[Regularizer], joint: bool = False) -> Duel:
        """As in the plain game, at the resolution at hand."""
        return super().discriminator_duel(self.at_stage(batch), regularizers, joint)

    def generator_duel(self, batch: Batch) -> Duel:
        """As in the plain game, at the resolution at hand."""
        return super().generator_duel(self.at_stage(batch))

    def augment(self, samples: Tensor) -> Tensor:
        """Return samples as the discriminator is shown them: augmented, at the data's resolution."""
        if not self.augmentations:
            return samples
        return downsample(super().augment(upsample(samples, self.data.resolution)), samples.shape[2])

    def exchange_samples(self, real: Tensor, fake: Tensor, labels: Tensor | None) -> tuple[Tensor, Tensor]:
        """Let augmentations exchange samples at the data's resolution."""
        stage, whole = real.shape[2], self.data.resolution
        real, fake = super().exchange_samples(upsample(real, whole), upsample(fake, whole), labels)
        return downsample(real, stage), downsample(fake, stage)

    def sample(self, count: int, labels: Tensor | None = None, truncation: float = 1.0) -> Tensor:
        """Return generated samples, enlarged to the data's resolution; see `Game.sample`."""
        return upsample(super().sample(count, labels, truncation), self.data.resolution)

    def draw(self, count: int, labels: Tensor | None = None) -> Draw:
        """Return what samples are made of; the generator makes them at the resolution at hand. See `Game.draw`."""
        self.stage()
        return super().draw(count, labels)

    def score(self, samples: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return the logits of samples at the data's resolution, as this stage shows them."""
        return super().score(fade_in(samples, *self.stage()), labels)

    def readings(self) -> Mapping[str, Tensor]:
        """Return those of the plain game, and the stage."""
        names, device = ("growth/resolution", "growth/blend"), next(self.parameters()).device
        stage = {n: torch.full((), float(v), device=device) for n, v in zip(names, self.stage(), strict=True)}
        return {**super().readings(), **stage}
