"""Tables on a terminal: names on the left, a column for each run or checkpoint, pages where they are too many."""

from __future__ import annotations

import math
import re
import shutil
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import click

from ganforge.cli.terminal.progress import number
from ganforge.evaluation.receipts import comparable_groups, describe_entry, differing

ARROWS = {"lower": "↓", "higher": "↑"}
GAP = 2  # columns between columns
NARROW = 7  # a column is at least so wide
ENOUGH = 12  # and is not made narrower than this to let others stand beside it
LONGEST = 34  # a name on the left goes on in the next line beyond
_SIGNS = re.compile(r"[ ,/_.=-]")


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


def table(heads: Sequence[str], rows: Sequence[Row], width: int, corner: str = "") -> Iterator[str]:
    """Lay a table out, in pages below each other where it is wider than `width`.

    Entries that are wider than their column go on in the next line. `corner` stands above the names.
    """
    left = min(max([len(corner), *(len(row.name) for row in rows if not row.head)]), LONGEST)
    room = width - left - 2
    share = max((room - GAP * len(heads)) // max(len(heads), 1), ENOUGH)  # a column may have so much beside all others
    wide = [
        max([NARROW, len(head), *(len(row.cells[index]) for row in rows if row.cells)])
        for index, head in enumerate(heads)
    ]
    if sum(wide) + GAP * len(wide) > room:
        wide = [min(size, share, room - GAP) for size in wide]
    for page, shown in enumerate(_pages(wide, room)):
        if page:
            yield ""
        for line in _line(corner, [heads[index] for index in shown], [wide[index] for index in shown], left):
            yield click.style(line, bold=True)
        for row in rows:
            if row.head:
                yield click.style(row.name, fg="cyan")
                continue
            bold = shown.index(row.bold) if row.bold in shown else None
            yield from _line(
                row.name, [row.cells[index] for index in shown], [wide[index] for index in shown], left, bold
            )


def _line(name: str, cells: Sequence[str], wide: Sequence[int], left: int, bold: int | None = None) -> Iterator[str]:
    """Yield a row of a table, in as many lines as its longest entry needs."""
    names = broken(name, left)
    names = names[:1] + [f"  {part}" for part in broken(" ".join(names[1:]), left - 2)] if len(names) > 1 else names
    parts = [broken(cell, size) for cell, size in zip(cells, wide, strict=True)]
    for height in range(max(map(len, [names, *parts]))):
        line = f"  {(names[height] if height < len(names) else '').ljust(left)}"
        for index, (part, size) in enumerate(zip(parts, wide, strict=True)):
            cell = (part[height] if height < len(part) else "").rjust(size)
            line += " " * GAP + (click.style(cell, bold=True) if index == bold else cell)
        yield line.rstrip()


def broken(text: str, width: int) -> list[str]:
    """Return a text in lines, broken where it has a space, else after a sign, else anywhere."""
    lines = []
    while len(text) > width:
        ends = [match.end() for match in _SIGNS.finditer(text[:width])]
        at = ends[-1] if ends and ends[-1] > width // 3 else width
        lines.append(text[:at].rstrip())
        text = text[at:].lstrip()
    return [*lines, text]


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


class Marks:
    """Letters at values that must not be compared with the others of their line, and what they mean."""

    def __init__(self) -> None:
        self._letters: dict[str, str] = {}

    def of(self, note: str) -> str:
        """Return the letter of a note."""
        return self._letters.setdefault(note, _letter(len(self._letters)))

    def line(self, receipts: Sequence[Mapping[str, Any] | None]) -> list[str]:
        """Return a mark for each value of a line: empty for the most frequent kind of receipt."""
        kinds = comparable_groups(receipts)
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
        yield from wrapped("values with a letter came about in another way than the others of their line:", width, "  ")
        for note, letter in self._letters.items():
            yield from wrapped(f"{letter}  {note}", width, "    ", "       ")


def _letter(index: int) -> str:
    return chr(ord("a") + index) if index < 26 else f"{chr(ord('a') + index // 26 - 1)}{chr(ord('a') + index % 26)}"


def _change(name: str, receipt: Mapping[str, Any], usual: Mapping[str, Any]) -> str:
    now, others = describe_entry(name, receipt), describe_entry(name, usual)
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
