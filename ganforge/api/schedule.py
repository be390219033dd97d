"""Numbers that change with the images shown."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, NonNegativeInt, PositiveInt, model_validator
from torch import nn

from ganforge.api.component import Strict


class Ramp(Strict):
    """A number that goes from `start` to `end` while images are shown, and stays there."""

    start: float = Field(description="value before the ramp")
    end: float = Field(description="value after it")
    images: PositiveInt = Field(description="images shown at its end")
    after_images: NonNegativeInt = Field(default=0, description="images shown at its beginning")
    shape: Literal["linear", "cosine", "exponential"] = Field(default="linear", description="how it goes")

    @model_validator(mode="after")
    def _check(self) -> Ramp:
        if self.after_images >= self.images:
            raise ValueError(f"the ramp ends (images = {self.images}) before it begins ({self.after_images})")
        if self.shape == "exponential" and self.start * self.end <= 0:
            raise ValueError("an exponential ramp needs start and end of one sign, neither of them 0")
        return self

    def at(self, images: int) -> float:
        """Return the value after `images` images shown."""
        done = min(max((images - self.after_images) / (self.images - self.after_images), 0.0), 1.0)
        if self.shape == "exponential":
            return float(self.start * (self.end / self.start) ** done)
        if self.shape == "cosine":
            done = (1 - math.cos(math.pi * done)) / 2
        return self.start + (self.end - self.start) * done


Number = Annotated[float | Ramp, Field(union_mode="left_to_right")]  # a constant, or a ramp over images shown


def _ends(number: float | Ramp) -> tuple[float, float]:
    return (number.start, number.end) if isinstance(number, Ramp) else (number, number)


def _each_end(expected: str, fits: Callable[[float], bool]) -> AfterValidator:
    def check(number: float | Ramp) -> float | Ramp:
        for end in _ends(number):
            if not fits(end):
                raise ValueError(f"expected a number {expected}, given {end:g}")
        return number

    return AfterValidator(check)


def positive(number: float | Ramp) -> float | Ramp:
    """Refuse a number that is, or becomes, negative, or that is 0 for good."""
    ends = _ends(number)
    if min(ends) < 0 or max(ends) == 0:
        raise ValueError(f"expected a number above 0, given {ends[0]:g}" + (f" to {ends[1]:g}" * (ends[0] != ends[1])))
    return number


PositiveNumber = Annotated[Number, AfterValidator(positive)]  # never negative, and not 0 for good


DecayRate = Annotated[
    Annotated[float, Field(ge=0, lt=1)] | Ramp,
    Field(union_mode="left_to_right"),
    _each_end("at least 0 and below 1", lambda end: 0 <= end < 1),
]  # at least 0 and below 1, at any time
NonNegativeNumber = Annotated[Number, _each_end("of at least 0", lambda end: end >= 0)]  # 0 or more, at any time


def value_at(number: float | Ramp, images: int) -> float:
    """Return a scheduled or constant number after `images` images shown."""
    return number.at(images) if isinstance(number, Ramp) else number


class Clock(nn.Module):
    """Knows how many images were shown. Whoever plays or samples sets all clocks of the game, as they roll all dice."""

    def __init__(self) -> None:
        super().__init__()
        self.images = 0

    def value(self, number: Number) -> float:
        """Return what a scheduled or constant number is by now."""
        return value_at(number, self.images)


def set_clocks(module: nn.Module, images: int) -> None:
    """Set every clock below `module`."""
    for child in module.modules():
        if isinstance(child, Clock):
            child.images = images
