"""InfoGAN: codes among the latents that can be read off the samples."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Literal

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, one_hot

from ganforge.api import (
    DataSpec,
    Draw,
    Duel,
    Game,
    GeneratorNetwork,
    NonNegativeNumber,
    RecipeError,
    Regularizer,
    StyleGenerator,
    Terms,
    truncate_normal,
)
from ganforge.builtin.games.parts.auxiliary_head import AuxiliaryHeadGame
from ganforge.builtin.games.parts.two_player import TwoPlayerRecipe

MIN_LOG_VARIANCE = -6.0  # of Q: codes need not be told more sharply than this, which would reward without bound


class InfoGan(TwoPlayerRecipe):
    """InfoGAN: codes among the latents, and a lower bound of what samples tell about them (Chen et al. 2016).

    arXiv:1606.03657, eqs. 5 and 6. A head Q on the discriminator's last activation says how likely each code is; both
    players maximise the bound E[log Q(c | x)] + H(c). The generator's latents are `latent` numbers of noise, then the
    categorical codes one-hot, then the continuous codes, uniform in [-1, 1]: the network is built for all of them.
    """

    kind: Literal["infogan"] = "infogan"
    categories: tuple[Annotated[int, Field(ge=2, le=10_000)], ...] = Field(
        default=(10,), description="values that each categorical code takes, all equally likely"
    )
    continuous: int = Field(default=2, ge=0, le=1_000, description="continuous codes")
    categorical_weight: NonNegativeNumber = Field(default=1.0, description="lambda of the categorical codes")
    continuous_weight: NonNegativeNumber = Field(default=0.1, description="lambda of the continuous codes")
    head_width: PositiveInt = Field(default=128, le=65_536, description="units of the hidden layer of Q")

    def build(self, data: DataSpec) -> Game:
        """Make the game; a `RecipeError` where there is no code, or where codes could not be told."""
        return InfoGanGame(self, data)


class InfoGanGame(AuxiliaryHeadGame):
    """The plain game, and the same bound for either player.

    Samples are drawn with categorical codes in turn, so that sample i has code i mod K: in a picture of K columns, each
    column has a code of its own.
    """

    def __init__(self, recipe: InfoGan, data: DataSpec) -> None:
        if not recipe.categories and not recipe.continuous:
            raise RecipeError(
                "game.categories is empty and game.continuous is 0: 'infogan' needs a code, or choose gan"
            )
        self.categories, self.continuous = recipe.categories, recipe.continuous
        self.code_size = sum(recipe.categories) + recipe.continuous
        super().__init__(recipe, data)
        self.categorical_weight, self.continuous_weight = recipe.categorical_weight, recipe.continuous_weight
        for kind, augmentation in self.augmentations.items():
            if augmentation.exchanges:
                raise RecipeError(
                    f"game.discriminator.augmentations: '{kind}' exchanges samples, and their codes would be lost; "
                    "leave it out of 'infogan'"
                )

    def build_generator(self, recipe: TwoPlayerRecipe, data: DataSpec) -> GeneratorNetwork:
        """Make the generator for noise and codes."""
        network = recipe.generator.network
        return network.model_copy(update={"latent": network.latent + self.code_size}).build(data)

    def build_head(self, recipe: TwoPlayerRecipe, data: DataSpec, width: int) -> nn.Module:
        """Make Q: a logit for each value of each category, then a mean and a log variance for each continuous code."""
        assert isinstance(recipe, InfoGan)
        hidden, outputs = recipe.head_width, sum(recipe.categories) + 2 * recipe.continuous
        return nn.Sequential(nn.Linear(width, hidden), nn.LeakyReLU(0.1), nn.Linear(hidden, outputs))

    def draw_latents(self, count: int) -> Tensor:
        """Draw noise and codes for each of `count` samples of a turn, [count, L]."""
        noise = self.dice.normal(count, self.latent)
        codes = [self.dice.integers(values, count) for values in self.categories]
        return self._join_codes(noise, codes)

    def _join_codes(self, noise: Tensor, codes: Sequence[Tensor]) -> Tensor:
        hot = [one_hot(code, values).to(noise) for code, values in zip(codes, self.categories, strict=True)]
        numbers = self.dice.uniform(len(noise), self.continuous) * 2 - 1
        return torch.cat([noise, *hot, numbers], 1)

    def discriminator_terms(self, duel: Duel, regularizers: Sequence[Regularizer]) -> Terms:
        """Return the discriminator's loss in this duel, term by term."""
        _, fake = self.last_activations(duel)
        return {**super().discriminator_terms(duel, regularizers), **self.mutual_information_terms(fake, duel.latents)}

    def generator_terms(self, duel: Duel, regularizers: Sequence[Regularizer]) -> Terms:
        """Return the generator's loss in this duel, term by term."""
        (fake,) = self.last_activations(duel, real=False)
        return {**super().generator_terms(duel, regularizers), **self.mutual_information_terms(fake, duel.latents)}

    def mutual_information_terms(self, activations: Tensor, latents: Tensor | None) -> Terms:
        """Return minus the weighted bounds [B] of what last activations [B, F] tell about the codes in `latents`."""
        assert latents is not None, "generated samples come from latents"
        outputs, codes = self.discriminator.head(activations), latents[:, self.latent :]
        categorical, start = outputs.new_zeros(len(outputs)), 0
        for values in self.categories:
            columns = slice(start, start + values)
            categorical = categorical + categorical_bound(outputs[:, columns], codes[:, columns].argmax(1))
            start += values
        terms = {"categorical-information": -self.clock.value(self.categorical_weight) * categorical}
        if self.continuous:
            mean, log_variance = outputs[:, start:].chunk(2, 1)
            continuous = gaussian_bound(mean, log_variance, codes[:, start:])
            terms["continuous-information"] = -self.clock.value(self.continuous_weight) * continuous
        return terms if self.categories else {"continuous-information": terms["continuous-information"]}

    def draw(self, count: int, labels: Tensor | None = None) -> Draw:
        """Return what samples are made of; their categorical codes go through all combinations in turn."""
        noise, rows, codes = self.dice.normal(count, self.latent), self.dice.row_numbers(count), []
        for values in self.categories:
            codes.append(rows % values)
            rows = rows // values
        latents = self._join_codes(noise, codes)
        labels = self.draw_labels(count) if labels is None else labels
        return Draw(self.generator, latents, labels, torch.stack(codes, 1) if codes else None)

    def sample(self, count: int, labels: Tensor | None = None, truncation: float = 1.0) -> Tensor:
        """Return generated samples [count, *shape]; truncation leaves the codes alone."""
        draw = self.draw(count, labels)
        if truncation >= 1 or isinstance(draw.generator, StyleGenerator):
            return draw.generator.truncated(draw.latents, draw.labels, truncation)
        noise, codes = draw.latents[:, : self.latent], draw.latents[:, self.latent :]
        latents = torch.cat([truncate_normal(noise, truncation), codes], 1)
        return self.generator(latents, draw.labels)  # type: ignore[no-any-return]


def categorical_bound(logits: Tensor, codes: Tensor) -> Tensor:
    """Return log Q(c | x) + H(c) in nats, [B], of codes c [B] that take K values equally often.

    Args:
        logits: of Q, [B, K].
        codes: integers [B].
    """
    return math.log(logits.shape[1]) - cross_entropy(logits, codes, reduction="none")


def gaussian_bound(mean: Tensor, log_variance: Tensor, codes: Tensor) -> Tensor:
    """Return log Q(c | x) + H(c) in nats, [B], summed over N independent codes c that are uniform in [-1, 1].

    Args:
        mean: of Q, [B, N].
        log_variance: of Q, [B, N]; taken to be at least `MIN_LOG_VARIANCE`.
        codes: [B, N].
    """
    log_variance = log_variance.clamp(min=MIN_LOG_VARIANCE)
    likelihood = -0.5 * ((codes - mean).square() / log_variance.exp() + log_variance + math.log(2 * math.pi))
    return (likelihood + math.log(2)).sum(1)
