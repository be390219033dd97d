"""Tables on a terminal: names on the left, a column for each run or checkpoint, pages where they are too many."""

from __future__ import annotations

import math
import shutil
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import click

from ganforge.cli.progress import number
from ganforge.receipts import differing, groups, say

ARROWS = {"lower": "↓", "higher": "↑"}
GAP = 2  # columns between columns
NARROW = 7  # a column is at least so wide
LONGEST = 34  # a name on the left is cut beyond


@dataclass(frozen=True)
class Row:
    """A line of a table: a name, and an entry for each column; `head` rows begin a part and have no entries."""

    name: str
    cells: tuple[str, ...] = ()
    head: bool = False
    bold: int | None = None  # which entry stands out


def columns() -> int:
    """Return how wide a table may be."""
    return max(40, min(shutil.get_terminal_size().columns, 160))


def table(heads: Sequence[str], rows: Sequence[Row], width: int) -> Iterator[str]:
    """Lay a table out, in pages below each other where it is wider than `width`."""
    left = min(max((len(row.name) for row in rows if not row.head), default=0), LONGEST)
    wide = [
        max([NARROW, len(head), *(len(row.cells[index]) for row in rows if row.cells)])
        for index, head in enumerate(heads)
    ]
    room = width - left - 2
    wide = [min(size, max(room - GAP, NARROW)) for size in wide]
    for page, shown in enumerate(_pages(wide, room)):
        if page:
            yield ""
        tops = [_cut(heads[index], wide[index]).rjust(wide[index]) for index in shown]
        yield click.style((" " * (left + 2) + "".join(" " * GAP + top for top in tops)).rstrip(), bold=True)
        for row in rows:
            if row.head:
                yield click.style(row.name, fg="cyan")
                continue
            line = f"  {_cut(row.name, left).ljust(left)}"
            for index in shown:
                cell = _cut(row.cells[index], wide[index]).rjust(wide[index])
                line += " " * GAP + (click.style(cell, bold=True) if row.bold == index else cell)
            yield line.rstrip()


def _pages(wide: Sequence[int], room: int) -> Iterator[list[int]]:
    page: list[int] = []
    used = 0
    for index, size in enumerate(wide):
        if page and used + GAP + size > room:
            yield page
            page, used = [], 0
        page.append(index)
        used += GAP + size
    if page:
        yield page


def _cut(text: str, width: int) -> str:
    """Shorten a text in its middle: the ends tell names of runs apart."""
    if len(text) <= width:
        return text
    tail = (width - 1) // 2
    return f"{text[: width - 1 - tail]}…{text[len(text) - tail :]}"


class Marks:
    """Letters at values that must not be compared with the others of their line, and what they mean."""

    def __init__(self) -> None:
        self._letters: dict[str, str] = {}

    def of(self, note: str) -> str:
        """Return the letter of a note."""
        return self._letters.setdefault(note, _letter(len(self._letters)))

    def line(self, receipts: Sequence[Mapping[str, Any] | None]) -> list[str]:
        """Return a mark for each value of a line: empty for the most frequent kind of receipt."""
        kinds = groups(receipts)
        usual = next((receipt for receipt, kind in zip(receipts, kinds, strict=True) if kind == 0), None)
        marks = []
        for receipt, kind in zip(receipts, kinds, strict=True):
            if kind == 0 or usual is None:
                marks.append("")
            elif receipt is None:
                marks.append(self.of("it has no receipt that says how it came about"))
            else:
                marks.append(self.of("; ".join(_change(name, receipt, usual) for name in differing(usual, receipt))))
        return marks

    def say(self, width: int) -> Iterator[str]:
        """Explain the letters."""
        if not self._letters:
            return
        yield from wrapped("Values with a letter came about in another way than the others of their line:", width)
        for note, letter in self._letters.items():
            yield from wrapped(f"{letter}  {note}", width, "  ", "     ")


def _letter(index: int) -> str:
    return chr(ord("a") + index) if index < 26 else f"{chr(ord('a') + index // 26 - 1)}{chr(ord('a') + index % 26)}"


def _change(name: str, receipt: Mapping[str, Any], usual: Mapping[str, Any]) -> str:
    now, others = say(name, receipt), say(name, usual)
    common = f"{name.replace('_', ' ')} "
    return f"{now}, not {others.removeprefix(common)}"


def wrapped(text: str, width: int, first: str = "", then: str = "") -> list[str]:
    """Break a paragraph, never inside a word."""
    return textwrap.wrap(
        text, width, initial_indent=first, subsequent_indent=then, break_long_words=False, break_on_hyphens=False
    )


def plus_minus(mean: float, std: float | None) -> str:
    """Return a value, with its standard deviation in two figures where there is one."""
    if std is None or not math.isfinite(mean):
        return number(mean)
    if not math.isfinite(std) or std == 0 or std < 1e-6 * abs(mean):
        return f"{number(mean)} ± {number(std)}"
    places = max(0, 1 - math.floor(math.log10(std)))
    return f"{mean:,.{places}f} ± {std:.{places}f}" if places < 6 else f"{mean:.3g} ± {std:.1e}"


def direction(name: str, better: str | None) -> str:
    """Return a name with an arrow that says which way is better."""
    return f"{name} {ARROWS[better]}" if better in ARROWS else name


def legend(betters: Sequence[str | None]) -> str:
    """Explain the arrows that are used."""
    return ", ".join(f"{ARROWS[way]} {way} is better" for way in ARROWS if way in betters)
