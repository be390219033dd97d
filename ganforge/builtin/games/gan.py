"""The plain game of two."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Literal

from torch import Tensor, nn

from ganforge.api import (
    Batch,
    Clock,
    DataSpec,
    Dice,
    DiscriminatorNetwork,
    Duel,
    Game,
    GeneratorNetwork,
    Loss,
    RecipeError,
    Regularizer,
    Terms,
    Turn,
    at_key,
)
from ganforge.builtin.games.players import TwoPlayers
from ganforge.builtin.games.scores import Scores, without_old_scores
from ganforge.builtin.games.two_player import Facing


class Gan(TwoPlayers):
    """A generator against a discriminator (Goodfellow et al. 2014, arXiv:1406.2661)."""

    kind: Literal["gan"] = "gan"

    def build(self, data: DataSpec) -> Game:
        """Make the game; a `RecipeError` where a regularizer does not fit its network."""
        return GanGame(self, data)


class GanGame(Facing):
    """Each round the discriminator takes a step on real and generated samples, then the generator against it.

    Other games of two extend it: `build_generator` and `build_discriminator` make the networks, `latents` draws what
    the generator is given (`Drawing`), `shown` is what the discriminator is shown (`Sight`), `judge` and `deceive` (or
    `judge_duel` and `deceive_duel`) are what the two minimise.
    """

    def __init__(self, recipe: TwoPlayers, data: DataSpec) -> None:
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
        self.dice, self.clock, self.scores = Dice(), Clock(), Scores()
        self.register_load_state_dict_pre_hook(without_old_scores)  # type: ignore[no-untyped-call]

    def build_generator(self, recipe: TwoPlayers, data: DataSpec) -> GeneratorNetwork:
        """Make the generator's network."""
        return recipe.generator.network.build(data)

    def build_discriminator(self, recipe: TwoPlayers, data: DataSpec) -> DiscriminatorNetwork:
        """Make the discriminator's network."""
        return recipe.discriminator.network.build(data)

    def _check_need(self, side: str, regularizer: Regularizer) -> None:
        other = "generator" if side == "discriminator" else "discriminator"
        for player, needed in ((side, regularizer.needs), (other, regularizer.needs_opponent)):
            network = self.get_submodule(player)
            if not isinstance(network, needed):
                raise RecipeError(
                    f"game.{side}.regularizers: '{regularizer.kind}' needs a {needed.__name__}, and "
                    f"game.{player}.network is a {type(network).__name__}; choose another network or leave it out"
                )

    def turns(self) -> Sequence[Turn]:
        """Return the discriminator's turns, prompt and lazy, then the generator's."""
        discriminator = self._turns_of("discriminator", self.discriminator_terms, every=1)
        return (*discriminator, *self._turns_of("generator", self.generator_terms, every=self.generator_every))

    def _turns_of(self, side: str, main: Callable[[Sequence[Regularizer], Batch], Terms], every: int) -> list[Turn]:
        prompt = [regularizer for regularizer in self._of[side] if regularizer.every == 1]
        lazy = [regularizer for regularizer in self._of[side] if regularizer.every > 1]
        return [
            Turn(side, side, partial(main, prompt), every=every),
            *(
                Turn(f"{side}/{r.kind}", side, partial(self.lazy_penalty_terms, side, r), r.every, lazy=True)
                for r in lazy
            ),
        ]

    def discriminator_terms(self, regularizers: Sequence[Regularizer], batch: Batch) -> Terms:
        """What the discriminator minimises in its own turn."""
        return self.discriminator_duel_terms(self.duel_of_discriminator(batch, regularizers, joint=True), regularizers)

    def discriminator_duel_terms(self, duel: Duel, regularizers: Sequence[Regularizer]) -> Terms:
        """What the discriminator minimises in this duel."""
        terms = {"adversarial": self.loss.discriminator(duel)} | self.penalty_terms("discriminator", regularizers, duel)
        self.scores.compare(duel)
        for augmentation in self._augmentations():
            augmentation.observe(duel.real_logits)
        return terms

    def generator_terms(self, regularizers: Sequence[Regularizer], batch: Batch) -> Terms:
        """What the generator minimises in its own turn."""
        return self.generator_duel_terms(self.duel_of_generator(batch), regularizers)

    def generator_duel_terms(self, duel: Duel, regularizers: Sequence[Regularizer]) -> Terms:
        """What the generator minimises in this duel."""
        return {"adversarial": self.top_k_loss(duel)} | self.penalty_terms("generator", regularizers, duel)

    def top_k_loss(self, duel: Duel) -> Tensor:
        """Return the generator's loss of the samples that it learns from, [k] or as the logits.

        These are the best by their logits (Sinha et al. 2020, arXiv:2002.06224): k = `top_k` times the batch at hand,
        rounded, at least one.
        """
        losses, share = self.loss.generator(duel), self.clock.value(self.top_k)
        if share >= 1:
            return losses
        kept = max(1, round(share * len(losses)))
        return losses[duel.fake_logits.detach().reshape(len(losses), -1).mean(1).topk(kept).indices]

    def lazy_penalty_terms(self, side: str, regularizer: Regularizer, batch: Batch) -> Terms:
        """A lazy penalty, in a turn of its own."""
        discriminates = side == "discriminator"
        duel = self.duel_of_discriminator(batch, [regularizer]) if discriminates else self.duel_of_generator(batch)
        return self.penalty_terms(side, [regularizer], duel)

    def penalty_terms(self, side: str, regularizers: Sequence[Regularizer], duel: Duel) -> dict[str, Tensor]:
        """Return the penalties of these regularizers by their kind."""
        return {r.kind: self.penalties[f"{side}-{r.kind}"](duel) for r in regularizers}

    def begin_round(self, images: int) -> None:
        """Let the augmentations adapt, and start the scores anew."""
        self.scores.take()
        for augmentation in self._augmentations():
            augmentation.begin_round(images)

    def readings(self) -> Mapping[str, Tensor]:
        """Return what the scores of this round tell, and what the augmentations have to tell."""
        readings = dict(self.scores.readings())
        for augmentation in self._augmentations():
            readings |= augmentation.readings()
        return readings
