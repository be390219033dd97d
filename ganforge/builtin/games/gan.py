"""The plain game of two: a generator against a discriminator."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn

from ganforge.api import (
    AugmentationNetwork,
    Batch,
    Clock,
    DataSpec,
    Dice,
    DiscriminatorNetwork,
    Draw,
    Duel,
    FeatureDiscriminator,
    Game,
    GeneratorNetwork,
    Loss,
    RecipeError,
    Regularizer,
    Role,
    Terms,
    Turn,
    at_key,
)
from ganforge.builtin.games.parts.score_statistics import ScoreStatistics
from ganforge.builtin.games.parts.two_player import TwoPlayerRecipe


class Gan(TwoPlayerRecipe):
    """A generator against a discriminator (Goodfellow et al. 2014, arXiv:1406.2661)."""

    kind: Literal["gan"] = "gan"

    def build(self, data: DataSpec) -> Game:
        """Make the game; a `RecipeError` where a regularizer does not fit its network."""
        return GanGame(self, data)


class GanGame(Game):
    """Each round the discriminator takes a step on real and generated samples, then the generator against it.

    From top to bottom: who plays and when, how samples are drawn, what the discriminator is shown, the duel that either
    player faces, what either minimises, what is read off. Other games of two extend it and override the step that they
    change: `build_generator` and `build_discriminator` make the networks, `draw_latents` draws what the generator is
    given, `augment` is what the discriminator is shown, `discriminator_terms` and `generator_terms` are the losses.
    """

    def __init__(self, recipe: TwoPlayerRecipe, data: DataSpec) -> None:
        super().__init__()
        self.loss: Loss = recipe.loss
        self.data, self.latent = data, recipe.generator.network.latent
        self.generator_every, self.top_k = recipe.generator.every, recipe.generator.top_k
        with at_key("game.generator.network"):
            self.generator = self.build_generator(recipe, data)
        with at_key("game.discriminator.network"):
            self.discriminator = self.build_discriminator(recipe, data)
        self.augmentations = nn.ModuleDict()
        for augmentation in recipe.discriminator.augmentations:
            with at_key(f"game.discriminator.augmentations.{augmentation.kind}"):
                self.augmentations[augmentation.kind] = augmentation.build(data)
        self.penalties = nn.ModuleDict()
        self._regularizers: dict[Role, Sequence[Regularizer]] = {
            "generator": recipe.generator.regularizers,
            "discriminator": recipe.discriminator.regularizers,
        }
        for player, regularizers in self._regularizers.items():
            for regularizer in regularizers:
                self._check_networks_fit(player, regularizer)
                with at_key(f"game.{player}.regularizers.{regularizer.kind}"):
                    self.penalties[f"{player}-{regularizer.kind}"] = regularizer.build(data)
        self.dice, self.clock, self.scores = Dice(), Clock(), ScoreStatistics()

    # Who plays, and when

    def build_generator(self, recipe: TwoPlayerRecipe, data: DataSpec) -> GeneratorNetwork:
        """Make the generator's network."""
        return recipe.generator.network.build(data)

    def build_discriminator(self, recipe: TwoPlayerRecipe, data: DataSpec) -> DiscriminatorNetwork:
        """Make the discriminator's network."""
        return recipe.discriminator.network.build(data)

    def _check_networks_fit(self, player: Role, regularizer: Regularizer) -> None:
        opponent = "generator" if player == "discriminator" else "discriminator"
        for side, needed in ((player, regularizer.needs), (opponent, regularizer.needs_opponent)):
            network = self.get_submodule(side)
            if not isinstance(network, needed):
                raise RecipeError(
                    f"game.{player}.regularizers: '{regularizer.kind}' needs a {needed.__name__}, and "
                    f"game.{side}.network is a {type(network).__name__}; choose another network or leave it out"
                )

    def turns(self) -> Sequence[Turn]:
        """Return the discriminator's turns, the main one and those of lazy penalties, then the generator's."""
        return (
            *self._turns_of("discriminator", self.discriminator_objective, every=1),
            *self._turns_of("generator", self.generator_objective, every=self.generator_every),
        )

    def _turns_of(
        self, player: Role, objective: Callable[[Sequence[Regularizer], Batch], Terms], every: int
    ) -> list[Turn]:
        prompt = [regularizer for regularizer in self._regularizers[player] if regularizer.every == 1]
        lazy = [regularizer for regularizer in self._regularizers[player] if regularizer.every > 1]
        return [
            Turn(player, player, partial(objective, prompt), every=every),
            *(
                Turn(f"{player}/{r.kind}", player, partial(self.lazy_penalty_objective, player, r), r.every, lazy=True)
                for r in lazy
            ),
        ]

    # How samples are drawn

    def draw_latents(self, count: int) -> Tensor:
        """Draw a latent for each of `count` samples of a turn, [count, L]."""
        return self.dice.normal(count, self.latent)

    def draw_labels(self, count: int) -> Tensor | None:
        """Draw labels evenly, [count] or [count, K]; None where the data have none."""
        if self.data.classes:
            return self.dice.integers(self.data.classes, count)
        return self.dice.uniform(count, self.data.conditions) * 2 - 1 if self.data.conditions else None

    def draw(self, count: int, labels: Tensor | None = None) -> Draw:
        """Return what `count` samples are made of; see `Game.draw`."""
        latents = self.draw_latents(count)
        return Draw(self.generator, latents, self.draw_labels(count) if labels is None else labels)

    def sample(self, count: int, labels: Tensor | None = None, truncation: float = 1.0) -> Tensor:
        """Return generated samples [count, *shape]; see `Game.sample`."""
        draw = self.draw(count, labels)
        return draw.generator.truncated(draw.latents, draw.labels, truncation)

    # What the discriminator is shown

    def _augmentations(self) -> Iterator[AugmentationNetwork]:
        for augmentation in self.augmentations.values():
            assert isinstance(augmentation, AugmentationNetwork)
            yield augmentation

    def augment(self, samples: Tensor) -> Tensor:
        """Return samples as the discriminator is shown them: through the augmentations, one after the other."""
        for augmentation in self._augmentations():
            samples = augmentation(samples)
        return samples

    @torch.no_grad()
    def exchange_samples(self, real: Tensor, fake: Tensor, labels: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return what passes for real and for generated, once augmentations that exchange samples have done so."""
        for augmentation in self._augmentations():
            if augmentation.exchanges:
                real, fake = augmentation.exchange(real, fake, labels)
        return real, fake

    def discriminator_logits(self, samples: Tensor, labels: Tensor | None) -> Tensor:
        """Return the discriminator's logits of augmented samples."""
        return self.discriminator(self.augment(samples), labels)  # type: ignore[no-any-return]

    def discriminator_features(self, samples: Tensor, labels: Tensor | None) -> Sequence[Tensor]:
        """Return the discriminator's inner activations of augmented samples."""
        assert isinstance(self.discriminator, FeatureDiscriminator), "terms say what they need, see `Regularizer.needs`"
        return self.discriminator.forward_features(self.augment(samples), labels)[1]

    def score(self, samples: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return the discriminator's logits of samples that are not augmented; see `Game.score`."""
        return self.discriminator(samples, labels)  # type: ignore[no-any-return]

    # The duel that either player faces

    def discriminator_duel(self, batch: Batch, regularizers: Sequence[Regularizer], joint: bool = False) -> Duel:
        """Return the discriminator's duel: the generator is out of reach, and samples are leaves where a penalty asks.

        Args:
            batch: real samples and, where the data have labels, theirs.
            regularizers: whose penalties will be asked for.
            joint: it is the player's main turn, in which both kinds of samples are looked at.
        """
        leaves = any(regularizer.input_gradients for regularizer in regularizers)
        real, labels = batch["image"].detach(), batch.get("label")
        latents = self.draw_latents(len(real))

        @torch.no_grad()
        def generate() -> Tensor:
            return self.generator(latents, labels)  # type: ignore[no-any-return]

        shown: Tensor | None = None
        origin: Tensor | None = latents
        if joint and any(augmentation.exchanges for augmentation in self._augmentations()):
            generated = generate()
            real, shown = self.exchange_samples(real, generated, labels)
            origin = latents if shown is generated else None  # nobody knows where exchanged samples came from
        group = self.discriminator.batch_group
        return self._duel(
            real.requires_grad_(leaves),
            lambda: (generate() if shown is None else shown).requires_grad_(leaves),
            labels,
            origin,
            role="discriminator",
            joint=joint and group > 0 and len(real) % group == 0,
        )

    def generator_duel(self, batch: Batch) -> Duel:
        """Return the generator's duel: gradients flow through the discriminator into its samples."""
        real, labels = batch["image"], batch.get("label")
        latents = self.draw_latents(len(real))
        return self._duel(real, lambda: self.generator(latents, labels), labels, latents, role="generator", joint=False)

    def _duel(
        self,
        real: Tensor,
        fake: Callable[[], Tensor],
        labels: Tensor | None,
        latents: Tensor | None,
        role: Role,
        joint: bool,
    ) -> Duel:
        return Duel(
            self.discriminator_logits,
            real,
            fake,
            labels,
            latents=latents,
            generator=self.generator,
            network=self.discriminator,
            features=self.discriminator_features,
            role=role,
            images=self.clock.images,
            joint=joint,
        )

    # What either player minimises

    def discriminator_objective(self, regularizers: Sequence[Regularizer], batch: Batch) -> Terms:
        """Return what the discriminator minimises in its main turn, on a batch."""
        return self.discriminator_terms(self.discriminator_duel(batch, regularizers, joint=True), regularizers)

    def discriminator_terms(self, duel: Duel, regularizers: Sequence[Regularizer]) -> Terms:
        """Return the discriminator's loss in this duel, term by term."""
        terms = {"adversarial": self.loss.discriminator(duel)} | self.penalty_terms("discriminator", regularizers, duel)
        self.scores.observe(duel)
        for augmentation in self._augmentations():
            augmentation.observe(duel.real_logits)
        return terms

    def generator_objective(self, regularizers: Sequence[Regularizer], batch: Batch) -> Terms:
        """Return what the generator minimises in its main turn, on a batch."""
        return self.generator_terms(self.generator_duel(batch), regularizers)

    def generator_terms(self, duel: Duel, regularizers: Sequence[Regularizer]) -> Terms:
        """Return the generator's loss in this duel, term by term."""
        terms = {"adversarial": self.generator_adversarial_loss(duel)}
        return terms | self.penalty_terms("generator", regularizers, duel)

    def generator_adversarial_loss(self, duel: Duel) -> Tensor:
        """Return the generator's loss of the samples that it learns from, [k] or as the logits.

        These are the best by their logits (Sinha et al. 2020, arXiv:2002.06224): k = `top_k` times the batch at hand,
        rounded, at least one.
        """
        losses, fraction = self.loss.generator(duel), self.clock.value(self.top_k)
        if fraction >= 1:
            return losses
        k = max(1, round(fraction * len(losses)))
        return losses[duel.fake_logits.detach().reshape(len(losses), -1).mean(1).topk(k).indices]

    def lazy_penalty_objective(self, player: Role, regularizer: Regularizer, batch: Batch) -> Terms:
        """Return a lazy penalty of a player, in a turn of its own."""
        discriminates = player == "discriminator"
        duel = self.discriminator_duel(batch, [regularizer]) if discriminates else self.generator_duel(batch)
        return self.penalty_terms(player, [regularizer], duel)

    def penalty_terms(self, player: Role, regularizers: Sequence[Regularizer], duel: Duel) -> dict[str, Tensor]:
        """Return the penalties of a player's regularizers by their kind."""
        return {r.kind: self.penalties[f"{player}-{r.kind}"](duel) for r in regularizers}

    # What is read off

    def begin_round(self, images: int) -> None:
        """Let the augmentations adapt, and start the score statistics anew."""
        self.scores.take()
        for augmentation in self._augmentations():
            augmentation.begin_round(images)

    def readings(self) -> Mapping[str, Tensor]:
        """Return the statistics of this round's scores, and what the augmentations have to tell."""
        readings = dict(self.scores.readings())
        for augmentation in self._augmentations():
            readings |= augmentation.readings()
        return readings
