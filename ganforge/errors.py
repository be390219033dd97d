"""Errors in words: every one that a user can cause is one of these.

A text names an argument of its reader's call by `argument(name)`: Python callers read `out` and device 'cuda', and the
command line, which knows its flags, spells the same mentions in its own way (`GanforgeError.spelled`).
"""

from __future__ import annotations

import copy
import difflib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar, NamedTuple

Spelling = Callable[[str, str | None], str]  # how a reader writes an argument, by its name and value

_OPEN, _BETWEEN, _CLOSE = "\ufdd0\ufdd1\ufdd2"  # noncharacters: no text of people has them
_PART = f"([^{_OPEN}{_BETWEEN}{_CLOSE}]*)"
_MENTION = re.compile(f"{_OPEN}{_PART}(?:{_BETWEEN}{_PART})?{_CLOSE}")


def argument(name: str, value: object = None) -> str:
    """Return the mention of an argument, to stand in the text of an error; who shows the error spells it.

    The name is that in Python, and the command line has a flag for it; the value was given, or should be.
    """
    return f"{_OPEN}{name}{'' if value is None else f'{_BETWEEN}{value}'}{_CLOSE}"


def python_spelling(name: str, value: str | None) -> str:
    """Return an argument as those read it who call from Python."""
    if value is None:
        return f"`{name}`"
    return f"{name} {value if value.isdecimal() else repr(value)}"


class Remedy(NamedTuple):
    """A recipe override that may help, and what is to be known of it."""

    override: str
    why: str = ""

    def __str__(self) -> str:
        """Return both on one line."""
        return f"{self.override}   # {self.why}" if self.why else self.override


class GanforgeError(ValueError):
    """Something a person can mend; its text says what, where, what was expected and the nearest fix.

    Args:
        text: in which `argument` names those of the caller.
        remedies: to try, in order.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, text: str = "", *, remedies: Sequence[Remedy] = ()) -> None:
        super().__init__(text)
        self.remedies = tuple(remedies)

    @property
    def text(self) -> str:
        """The text with its mentions of arguments, for another error that repeats it."""
        return str(self.args[0])

    def spelled(self, spelling: Spelling) -> str:
        """Return the text for a reader, safe to print: names in it may be of hostile files and recipes."""
        return printable(_MENTION.sub(lambda mention: spelling(mention[1], mention[2]), self.text), keep="\n")

    def __str__(self) -> str:
        """Return the text and the remedies for who calls from Python."""
        return self.spelled(python_spelling) + "".join(f"\n  try {remedy}" for remedy in self.remedies)


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
        text: see `GanforgeError`.
        turn: whose gradients were being computed, where it was a turn.
        layer: that was at work, by its path in the game.
        remedies: to try, in order.
        checkpoint: the newest of the run, to go on from.
    """

    exit_code = 5

    def __init__(
        self,
        text: str,
        *,
        turn: str | None = None,
        layer: str | None = None,
        remedies: Sequence[Remedy] = (),
        checkpoint: Path | None = None,
    ) -> None:
        super().__init__(text, remedies=remedies)
        self.turn, self.layer, self.checkpoint = turn, layer, checkpoint


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

    def with_remedies(self, overrides: Sequence[str]) -> DivergedError:
        """Return it with what may be tried, as recipe overrides."""
        other = copy.copy(self)
        other.remedies = tuple(map(Remedy, overrides))
        return other


class LostError(GanforgeError):
    """Another process of the same run ended, and this one waited for it in vain."""

    exit_code = 6


@contextmanager
def at_key(path: str) -> Iterator[None]:
    """Name the key of the recipe in whatever goes wrong while its component is built, as a `RecipeError`."""
    try:
        yield
    except GanforgeError as error:
        raise RecipeError(f"{path}: {error.text}") from error


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
