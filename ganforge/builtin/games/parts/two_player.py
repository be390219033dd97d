"""The recipe of a game of two: a loss, a generator and a discriminator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, TypeVar

from pydantic import AfterValidator, Field, PositiveInt, field_validator

from ganforge.api import (
    AnyAugmentation,
    AnyDiscriminator,
    AnyDiscriminatorRegularizer,
    AnyGenerator,
    AnyGeneratorRegularizer,
    AnyLoss,
    Component,
    GameComponent,
    PlayerRecipe,
    PositiveNumber,
    Ramp,
)

_Components = TypeVar("_Components", bound=Sequence[Component])


def _refuse_repeated_kinds(components: _Components) -> _Components:
    kinds = [component.kind for component in components]
    for kind in kinds:
        if kinds.count(kind) > 1:
            raise ValueError(f"'{kind}' is named twice; name it once, with the sum of the weights")
    return components


def _check_fraction(number: float | Ramp) -> float | Ramp:
    for end in (number.start, number.end) if isinstance(number, Ramp) else (number,):
        if not 0 < end <= 1:
            raise ValueError(f"expected a fraction, a number above 0 and at most 1, given {end:g}")
    return number


Fraction = Annotated[PositiveNumber, AfterValidator(_check_fraction)]


class GeneratorRecipe(PlayerRecipe):
    """The generator of a game of two."""

    network: AnyGenerator = Field(description="what turns latents into samples")
    every: PositiveInt = Field(default=1, description="rounds (steps of the discriminator) between its steps: n_critic")
    regularizers: tuple[AnyGeneratorRegularizer, ...] = Field(default=(), description="penalties added to its loss")
    top_k: Fraction = Field(
        default=1.0,
        description="share of its samples that it learns from, those that score best (Sinha et al. 2020, "
        "arXiv:2002.06224), such as a ramp from 1 to 0.5; counted in each micro-batch on each process",
    )

    _check_regularizers = field_validator("regularizers")(_refuse_repeated_kinds)


class DiscriminatorRecipe(PlayerRecipe):
    """The discriminator of a game of two."""

    network: AnyDiscriminator = Field(description="what scores samples")
    regularizers: tuple[AnyDiscriminatorRegularizer, ...] = Field(default=(), description="penalties added to its loss")
    augmentations: tuple[AnyAugmentation, ...] = Field(
        default=(), description="changes to all that it sees, real and generated, one after the other"
    )

    _check_regularizers = field_validator("regularizers")(_refuse_repeated_kinds)
    _check_augmentations = field_validator("augmentations")(_refuse_repeated_kinds)


class TwoPlayerRecipe(GameComponent):
    """The fields of every game of a generator and a discriminator. A subclass gives it a `kind` and a game."""

    loss: AnyLoss = Field(description="what both sides minimise")
    generator: GeneratorRecipe = Field(description="the player that makes samples")
    discriminator: DiscriminatorRecipe = Field(description="the player that tells them from real ones")

    def players(self) -> Mapping[str, PlayerRecipe]:
        """Return both players."""
        return {"generator": self.generator, "discriminator": self.discriminator}
