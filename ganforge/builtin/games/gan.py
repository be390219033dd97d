"""The plain game of two."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn

from ganforge.builtin.games.players import TwoPlayers
from ganforge.clock import Clock
from ganforge.data import Batch, DataSpec
from ganforge.dice import Dice
from ganforge.duel import Duel, Role
from ganforge.errors import RecipeError, at_key
from ganforge.families import AugmentationNetwork, Loss, Regularizer
from ganforge.game import Game, Terms, Turn
from ganforge.network import DiscriminatorNetwork, Draw, FeatureDiscriminator, GeneratorNetwork
from ganforge.tally import Tally


class Gan(TwoPlayers):
    """A generator against a discriminator (Goodfellow et al. 2014, arXiv:1406.2661)."""

    kind: Literal["gan"] = "gan"

    def build(self, data: DataSpec) -> Game:
        """Make the game; a `RecipeError` where a regularizer does not fit its network."""
        return GanGame(self, data)


class GanGame(Game):
    """Each round the discriminator takes a step on real and generated samples, then the generator against it.

    Other games of two extend it: `build_generator` and `build_discriminator` make the networks, `latents` draws what
    the generator is given, `judge` and `deceive` (or `judge_duel` and `deceive_duel`) are what the two minimise.
    """

    def __init__(self, recipe: TwoPlayers, data: DataSpec) -> None:
        super().__init__()
        self.loss: Loss = recipe.loss
        self.data, self.latent = data, recipe.generator.network.latent
        self.generator_every, self.top_k = recipe.generator.every, recipe.generator.top_k
        with at_key("game.generator.network"):
            self.generator: GeneratorNetwork = self.build_generator(recipe, data)
        with at_key("game.discriminator.network"):
            self.discriminator: DiscriminatorNetwork = self.build_discriminator(recipe, data)
        self.augmentations: nn.ModuleDict = nn.ModuleDict()
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
        self.dice, self.clock, self.scores = Dice(), Clock(), Tally(5, lasting=False)
        self.register_load_state_dict_pre_hook(_without_old_scores)  # type: ignore[no-untyped-call]

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
        return self.judge_duel(self.duel_of_discriminator(batch, regularizers, joint=True), regularizers)

    def judge_duel(self, duel: Duel, regularizers: Sequence[Regularizer]) -> Terms:
        """What the discriminator minimises in this duel."""
        terms = {"adversarial": self.loss.discriminator(duel)} | self.penalise("discriminator", regularizers, duel)
        self.scores.add(self.compared(duel))
        for augmentation in self._augmentations():
            augmentation.observe(duel.real_logits)
        return terms

    @torch.no_grad()
    def compared(self, duel: Duel) -> Tensor:
        """Return what readings are made of, [B, 5]: the scores of each real sample and of the generated one beside it.

        These are both, their squares, and which is higher: 1 = the real one's, 0 = the other, 1/2 = neither.
        """
        real, fake = (
            logits.float().reshape(len(logits), -1).mean(1) for logits in (duel.real_logits, duel.fake_logits)
        )
        return torch.stack([real, fake, real * real, fake * fake, (real - fake).sign() / 2 + 0.5], 1)

    def deceive(self, regularizers: Sequence[Regularizer], batch: Batch) -> Terms:
        """What the generator minimises in its own turn."""
        return self.deceive_duel(self.duel_of_generator(batch), regularizers)

    def deceive_duel(self, duel: Duel, regularizers: Sequence[Regularizer]) -> Terms:
        """What the generator minimises in this duel."""
        return {"adversarial": self.lesson(duel)} | self.penalise("generator", regularizers, duel)

    def lesson(self, duel: Duel) -> Tensor:
        """Return the generator's loss of the samples that it learns from, [k] or as the logits.

        These are the best by their logits (Sinha et al. 2020, arXiv:2002.06224): k = `top_k` times the batch at hand,
        rounded, at least one.
        """
        losses, share = self.loss.generator(duel), self.clock.value(self.top_k)
        if share >= 1:
            return losses
        kept = max(1, round(share * len(losses)))
        return losses[duel.fake_logits.detach().reshape(len(losses), -1).mean(1).topk(kept).indices]

    def regularize(self, side: str, regularizer: Regularizer, batch: Batch) -> Terms:
        """A lazy penalty, in a turn of its own."""
        discriminates = side == "discriminator"
        duel = self.duel_of_discriminator(batch, [regularizer]) if discriminates else self.duel_of_generator(batch)
        return self.penalise(side, [regularizer], duel)

    def penalise(self, side: str, regularizers: Sequence[Regularizer], duel: Duel) -> dict[str, Tensor]:
        """Return the penalties of these regularizers by their kind."""
        return {r.kind: self.penalties[f"{side}-{r.kind}"](duel) for r in regularizers}

    def duel_of_discriminator(self, batch: Batch, regularizers: Sequence[Regularizer], joint: bool = False) -> Duel:
        """As the discriminator sees it: the generator is out of reach, and samples are leaves where a penalty asks.

        Args:
            batch: real samples and, where the data have labels, theirs.
            regularizers: whose penalties will be asked for.
            joint: it is the player's main turn, in which both kinds of samples are looked at.
        """
        leaves = any(regularizer.input_gradients for regularizer in regularizers)
        real, labels = batch["image"].detach(), batch.get("label")
        latents = self.latents(real)

        def fake() -> Tensor:
            with torch.no_grad():
                return self.generate(latents, labels)

        shown: Tensor | None = None
        origin: Tensor | None = latents
        if joint and any(augmentation.exchanges for augmentation in self._augmentations()):
            made = fake()
            real, shown = self.exchanged(real, made, labels)
            origin = latents if shown is made else None  # nobody knows where exchanged samples came from
        group = self.discriminator.batch_group
        return self._duel(
            real.requires_grad_(leaves),
            lambda: (fake() if shown is None else shown).requires_grad_(leaves),
            labels,
            origin,
            mover="discriminator",
            joint=joint and group > 0 and len(real) % group == 0,
        )

    def duel_of_generator(self, batch: Batch) -> Duel:
        """As the generator sees it: gradients flow through the discriminator into its samples."""
        real, labels = batch["image"], batch.get("label")
        latents = self.latents(real)
        return self._duel(real, lambda: self.generate(latents, labels), labels, latents, mover="generator", joint=False)

    def _duel(
        self,
        real: Tensor,
        fake: Callable[[], Tensor],
        labels: Tensor | None,
        latents: Tensor | None,
        mover: Role,
        joint: bool,
    ) -> Duel:
        return Duel(
            self.see,
            real,
            fake,
            labels,
            latents=latents,
            generator=self.generator,
            network=self.discriminator,
            features=self.examine,
            mover=mover,
            images=self.clock.images,
            joint=joint,
        )

    def exchanged(self, real: Tensor, fake: Tensor, labels: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return what passes for real and for generated, once augmentations have had their say."""
        with torch.no_grad():
            for augmentation in self._augmentations():
                if augmentation.exchanges:
                    real, fake = augmentation.exchange(real, fake, labels)
        return real, fake

    def _augmentations(self) -> Iterator[AugmentationNetwork]:
        for augmentation in self.augmentations.values():
            assert isinstance(augmentation, AugmentationNetwork)
            yield augmentation

    def shown(self, samples: Tensor) -> Tensor:
        """Return samples as the discriminator is shown them: augmented."""
        for augmentation in self._augmentations():
            samples = augmentation(samples)
        return samples

    def see(self, samples: Tensor, labels: Tensor | None) -> Tensor:
        """Return the discriminator's logits of samples as it is shown them."""
        return self.discriminator(self.shown(samples), labels)  # type: ignore[no-any-return]

    def examine(self, samples: Tensor, labels: Tensor | None) -> Sequence[Tensor]:
        """Return the discriminator's inner activations of samples as it is shown them."""
        assert isinstance(self.discriminator, FeatureDiscriminator), "terms say what they need, see `Regularizer.needs`"
        return self.discriminator.examine(self.shown(samples), labels)[1]

    def latents(self, like: Tensor) -> Tensor:  # [B, L]
        """Draw a latent for each sample of a batch."""
        return self.dice.normal(len(like), self.latent)

    def generate(self, latents: Tensor, labels: Tensor | None) -> Tensor:
        """Return the generator's samples [B, *shape]."""
        return self.generator(latents, labels)  # type: ignore[no-any-return]

    def draw_labels(self, count: int) -> Tensor | None:
        """Draw labels evenly, [count] or [count, K]; None where the data have none."""
        if self.data.classes:
            return self.dice.integers(self.data.classes, count)
        return self.dice.uniform(count, self.data.conditions) * 2 - 1 if self.data.conditions else None

    def score(self, samples: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return the discriminator's logits of samples that are not augmented."""
        return self.discriminator(samples, labels)  # type: ignore[no-any-return]

    def sample(self, count: int, labels: Tensor | None = None, truncation: float = 1.0) -> Tensor:
        """Return generated samples [count, *shape]; see `Game.sample`."""
        draw = self.draw(count, labels)
        return draw.generator.truncated(draw.latents, draw.labels, truncation)

    def draw(self, count: int, labels: Tensor | None = None) -> Draw:
        """Return what they are made of."""
        latents = self.dice.normal(count, self.latent)
        return Draw(self.generator, latents, self.draw_labels(count) if labels is None else labels)

    def begin_round(self, images: int) -> None:
        """Let the augmentations adapt, and start the scores anew."""
        self.scores.take()
        for augmentation in self._augmentations():
            augmentation.begin_round(images)

    def readings(self) -> Mapping[str, Tensor]:
        """Return what the scores of this round tell (see `compared`), and what the augmentations have to tell.

        `separation` is the share of pairs in which the real sample has the higher score: 0.5 = they look alike.
        """
        real, fake, real_square, fake_square, separation = self.scores.mean.unbind()
        readings = {
            "discriminator/real_score": real,
            "discriminator/fake_score": fake,
            "discriminator/real_score_std": (real_square - real * real).clamp(min=0).sqrt(),
            "discriminator/fake_score_std": (fake_square - fake * fake).clamp(min=0).sqrt(),
            "discriminator/separation": separation,
        }
        for augmentation in self._augmentations():
            readings |= augmentation.readings()
        return readings


def _without_old_scores(game: nn.Module, state: dict[str, Tensor], prefix: str, *_: object) -> None:
    """Leave out of an older checkpoint the scores of its last round, which were saved then."""
    for name in ("real_score.settled", "fake_score.settled"):
        state.pop(prefix + name, None)
