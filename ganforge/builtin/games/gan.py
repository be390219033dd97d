"""The plain game of two."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Literal

import torch
from pydantic import Field, PositiveInt, field_validator
from torch import Tensor, nn

from ganforge.data import Batch, DataSpec
from ganforge.dice import Dice
from ganforge.duel import Duel
from ganforge.errors import RecipeError, at_key
from ganforge.families import AugmentationNetwork, Loss, Regularizer
from ganforge.game import Game, GameComponent, PlayerRecipe, Terms, Turn
from ganforge.network import DiscriminatorNetwork, GeneratorNetwork
from ganforge.slots import (
    AnyAugmentation,
    AnyDiscriminator,
    AnyDiscriminatorRegularizer,
    AnyGenerator,
    AnyGeneratorRegularizer,
    AnyLoss,
)
from ganforge.tally import Tally


def _no_twins(regularizers: tuple[Regularizer, ...]) -> tuple[Regularizer, ...]:
    kinds = [regularizer.kind for regularizer in regularizers]
    for kind in kinds:
        if kinds.count(kind) > 1:
            raise ValueError(f"'{kind}' is named twice; name it once, with the sum of the weights")
    return regularizers


class GeneratorRecipe(PlayerRecipe):
    """The generator of a game of two."""

    network: AnyGenerator = Field(description="what turns latents into samples")
    every: PositiveInt = Field(default=1, description="rounds (steps of the discriminator) between its steps: n_critic")
    regularizers: tuple[AnyGeneratorRegularizer, ...] = Field(default=(), description="penalties added to its loss")

    _check_regularizers = field_validator("regularizers")(_no_twins)


class DiscriminatorRecipe(PlayerRecipe):
    """The discriminator of a game of two."""

    network: AnyDiscriminator = Field(description="what scores samples")
    regularizers: tuple[AnyDiscriminatorRegularizer, ...] = Field(default=(), description="penalties added to its loss")
    augmentation: AnyAugmentation | None = Field(
        default=None, description="changes to all that it sees, real and generated; none by default"
    )

    _check_regularizers = field_validator("regularizers")(_no_twins)


class Gan(GameComponent):
    """A generator against a discriminator (Goodfellow et al. 2014, arXiv:1406.2661)."""

    kind: Literal["gan"] = "gan"
    loss: AnyLoss = Field(description="what both sides minimise")
    generator: GeneratorRecipe = Field(description="the player that makes samples")
    discriminator: DiscriminatorRecipe = Field(description="the player that tells them from real ones")

    def build(self, data: DataSpec) -> Game:
        """Make the game; a `RecipeError` where a regularizer does not fit its network."""
        return GanGame(self, data)

    def players(self) -> Mapping[str, PlayerRecipe]:
        """Return both players."""
        return {"generator": self.generator, "discriminator": self.discriminator}


class GanGame(Game):
    """Each round the discriminator takes a step on real and generated samples, then the generator against it."""

    def __init__(self, recipe: Gan, data: DataSpec) -> None:
        super().__init__()
        self.loss: Loss = recipe.loss
        self.classes, self.latent = data.classes, recipe.generator.network.latent
        self.generator_every = recipe.generator.every
        with at_key("game.generator.network"):
            self.generator: GeneratorNetwork = recipe.generator.network.build(data)
        with at_key("game.discriminator.network"):
            self.discriminator: DiscriminatorNetwork = recipe.discriminator.network.build(data)
        augmentation = recipe.discriminator.augmentation
        with at_key("game.discriminator.augmentation"):
            self.augmentation: AugmentationNetwork | None = None if augmentation is None else augmentation.build(data)
        self.penalties = nn.ModuleDict()
        self._of: dict[str, list[Regularizer]] = {}
        for side, regularizers in (
            ("generator", recipe.generator.regularizers),
            ("discriminator", recipe.discriminator.regularizers),
        ):
            self._of[side] = list(regularizers)
            for regularizer in regularizers:
                self._check_need(side, regularizer)
                with at_key(f"game.{side}.regularizers.{regularizer.kind}"):
                    self.penalties[f"{side}-{regularizer.kind}"] = regularizer.build(data)
        self.dice, self.real_score, self.fake_score = Dice(), Tally(), Tally()

    def _check_need(self, side: str, regularizer: Regularizer) -> None:
        network = self.get_submodule(side)
        if not isinstance(network, regularizer.needs):
            raise RecipeError(
                f"game.{side}.regularizers: '{regularizer.kind}' needs a {regularizer.needs.__name__}, and "
                f"game.{side}.network is a {type(network).__name__}; choose another network or leave it out"
            )

    def turns(self) -> Sequence[Turn]:
        """Return the discriminator's turns, prompt and lazy, then the generator's."""
        discriminator = self._turns_of("discriminator", self.judge, every=1)
        return (*discriminator, *self._turns_of("generator", self.deceive, every=self.generator_every))

    def _turns_of(self, side: str, main: Callable[[Sequence[Regularizer], Batch], Terms], every: int) -> list[Turn]:
        prompt = [regularizer for regularizer in self._of[side] if regularizer.every == 1]
        lazy = [regularizer for regularizer in self._of[side] if regularizer.every > 1]
        return [
            Turn(side, side, partial(main, prompt), every=every),
            *(Turn(f"{side}/{r.kind}", side, partial(self.regularize, side, r), r.every, lazy=True) for r in lazy),
        ]

    def judge(self, regularizers: Sequence[Regularizer], batch: Batch) -> Terms:
        """What the discriminator minimises in its own turn."""
        duel = self.duel_of_discriminator(batch, regularizers, joint=True)
        terms = {"adversarial": self.loss.discriminator(duel)} | self._penalise("discriminator", regularizers, duel)
        self.real_score.add(duel.real_logits)
        self.fake_score.add(duel.fake_logits)
        if self.augmentation is not None:
            self.augmentation.observe(duel.real_logits)
        return terms

    def deceive(self, regularizers: Sequence[Regularizer], batch: Batch) -> Terms:
        """What the generator minimises in its own turn."""
        duel = self.duel_of_generator(batch)
        return {"adversarial": self.loss.generator(duel)} | self._penalise("generator", regularizers, duel)

    def regularize(self, side: str, regularizer: Regularizer, batch: Batch) -> Terms:
        """A lazy penalty, in a turn of its own."""
        discriminates = side == "discriminator"
        duel = self.duel_of_discriminator(batch, [regularizer]) if discriminates else self.duel_of_generator(batch)
        return self._penalise(side, [regularizer], duel)

    def _penalise(self, side: str, regularizers: Sequence[Regularizer], duel: Duel) -> dict[str, Tensor]:
        return {r.kind: self.penalties[f"{side}-{r.kind}"](duel) for r in regularizers}

    def duel_of_discriminator(self, batch: Batch, regularizers: Sequence[Regularizer], joint: bool = False) -> Duel:
        """As the discriminator sees it: the generator is out of reach, and samples are leaves where a penalty asks."""
        leaves = any(regularizer.input_gradients for regularizer in regularizers)
        real, labels = batch["image"].detach().requires_grad_(leaves), batch.get("label")
        latents = self.latents(real)

        def fake() -> Tensor:
            with torch.no_grad():
                return self.generator(latents, labels)  # type: ignore[no-any-return]

        together = joint and self.discriminator.batch_group > 0 and len(real) % self.discriminator.batch_group == 0
        return Duel(
            self.see,
            real,
            (lambda: fake().requires_grad_(True)) if leaves else fake,
            labels,
            latents=latents,
            generator=self.generator,
            joint=together,
        )

    def duel_of_generator(self, batch: Batch) -> Duel:
        """As the generator sees it: gradients flow through the discriminator into its samples."""
        real, labels = batch["image"], batch.get("label")
        latents = self.latents(real)
        return Duel(
            self.see,
            real,
            lambda: self.generator(latents, labels),
            labels,
            latents=latents,
            generator=self.generator,
        )

    def see(self, samples: Tensor, labels: Tensor | None) -> Tensor:
        """Return the discriminator's logits of samples as it is shown them."""
        shown = samples if self.augmentation is None else self.augmentation(samples)
        return self.discriminator(shown, labels)  # type: ignore[no-any-return]

    def latents(self, like: Tensor) -> Tensor:  # [B, L]
        """Draw a latent for each sample of a batch."""
        return self.dice.normal(len(like), self.latent)

    def sample(self, count: int, labels: Tensor | None = None, truncation: float = 1.0) -> Tensor:
        """Return generated samples [count, *shape]; see `Game.sample`."""
        latents = self.dice.normal(count, self.latent)
        if labels is None and self.classes:
            labels = self.dice.integers(self.classes, count)
        return self.generator.truncated(latents, labels, truncation)

    def begin_round(self, images: int) -> None:
        """Let the augmentation adapt, and start the scores anew."""
        self.real_score.take()
        self.fake_score.take()
        if self.augmentation is not None:
            self.augmentation.begin_round(images)

    def readings(self) -> Mapping[str, Tensor]:
        """Return the mean scores of this round, and what the augmentation has to tell."""
        scores = {"discriminator/real_score": self.real_score.mean, "discriminator/fake_score": self.fake_score.mean}
        return scores if self.augmentation is None else {**scores, **self.augmentation.readings()}
