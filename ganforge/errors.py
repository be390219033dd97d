"""What goes wrong, in words: every error a user can cause is one of these."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar


class GanforgeError(ValueError):
    """Something a person can mend; its text says what, where, what was expected and the nearest fix."""

    exit_code: ClassVar[int] = 1


class RecipeError(GanforgeError):
    """The recipe, an override or a command-line argument cannot be used."""

    exit_code = 2


class PluginError(GanforgeError):
    """Two plugins collide, or a plugin cannot be used at all."""

    exit_code = 2


class DataError(GanforgeError):
    """The data set cannot be read or does not fit the networks."""


class CheckpointError(GanforgeError):
    """A checkpoint is missing, damaged or of another game."""


class DivergedError(GanforgeError):
    """A gradient became NaN or infinite; the weights were left as they were before the step."""

    exit_code = 3


@contextmanager
def at_key(path: str) -> Iterator[None]:
    """Name the key of the recipe in whatever goes wrong while its component is built, as a `RecipeError`."""
    try:
        yield
    except GanforgeError as error:
        raise RecipeError(f"{path}: {error}") from error
