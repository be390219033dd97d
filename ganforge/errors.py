"""Errors in words: every one that a user can cause is one of these."""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import ClassVar


class GanforgeError(ValueError):
    """Something a person can mend; its text says what, where, what was expected and the nearest fix."""

    exit_code: ClassVar[int] = 1

    def __str__(self) -> str:
        """Return the text, safe to print: names in it may be of hostile files and recipes."""
        return printable(super().__str__(), keep="\n")


def printable(text: str, keep: str = "") -> str:
    """Return a text without control characters and broken encoding, which are written as escapes; `keep` stays."""
    return "".join(c if c.isprintable() or c in keep else c.encode("unicode_escape").decode() for c in text)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return "; did you mean 'x'?", or nothing where no known name is near."""
    names = list(known)
    near = difflib.get_close_matches(name, names, 1) or [other for other in names if name and other.startswith(name)]
    return f"; did you mean '{near[0]}'?" if near else ""


def format_bytes(count: int) -> str:
    """Return a number of bytes as people read it: "12 bytes", "1.5 KiB", "5.12 GiB"."""
    value, unit = float(count), "bytes"
    for larger in ("KiB", "MiB", "GiB", "TiB", "PiB", "EiB"):
        if value < 1023.5:
            break
        value, unit = value / 1024, larger
    return f"{value:.0f} {unit}" if value >= 999.5 else f"{value:.3g} {unit}"


class RecipeError(GanforgeError):
    """The recipe, an override or a command-line argument cannot be used."""

    exit_code = 2


class PluginError(GanforgeError):
    """Two plugins collide, or a plugin cannot be used at all."""

    exit_code = 2


class BrokenPluginError(GanforgeError):
    """A plugin's own code raised an error while it was at work; see `ganforge.plugins.blame`."""


class MemoryShortageError(GanforgeError):
    """Memory ran out; its text says where, how much was asked for, and what would help.

    Args:
        turn: whose gradients were being computed, where it was a turn.
        layer: that was at work, by its path in the game.
    """

    exit_code = 5

    def __init__(self, text: str, *, turn: str | None = None, layer: str | None = None) -> None:
        super().__init__(text)
        self.turn, self.layer = turn, layer


class DataError(GanforgeError):
    """The data set cannot be read or does not fit the networks."""


class CheckpointError(GanforgeError):
    """A checkpoint is missing, damaged or of another game."""


class DivergedError(GanforgeError):
    """A gradient became NaN or infinite; the weights were left as they were before the step."""

    exit_code = 3

    def __init__(
        self,
        text: str,
        *,
        player: str | None = None,
        term: str | None = None,
        layer: str | None = None,
        data: str | None = None,
    ) -> None:
        super().__init__(text)
        self.player, self.term, self.layer, self.data = player, term, layer, data  # whose turn, what went wrong first

    def with_remedies(self, remedies: Sequence[str]) -> DivergedError:
        """Return it with what may be tried, as recipe overrides."""
        tries = "".join(f"\n  try --set {shlex.quote(remedy)}" for remedy in remedies)
        return DivergedError(f"{self}{tries}", player=self.player, term=self.term, layer=self.layer, data=self.data)


class LostError(GanforgeError):
    """Another process of the same run ended, and this one waited for it in vain."""

    exit_code = 6


@contextmanager
def at_key(path: str) -> Iterator[None]:
    """Name the key of the recipe in whatever goes wrong while its component is built, as a `RecipeError`."""
    try:
        yield
    except GanforgeError as error:
        raise RecipeError(f"{path}: {error}") from error


OnLeftOut = Callable[[str], None]  # is told why a metric is left out


@contextmanager
def leaving_out(on_left_out: OnLeftOut | None) -> Iterator[None]:
    """Tell what goes wrong inside and go on after it, where that is wanted."""
    try:
        yield
    except GanforgeError as error:
        if on_left_out is None:
            raise
        on_left_out(str(error))
