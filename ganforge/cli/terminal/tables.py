"""Tables on a terminal: names on the left, a column for each run or checkpoint, pages where they are too many."""

from __future__ import annotations

import io
import re
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from ganforge.cli.terminal.formats import wrapped

ARROWS = {"lower": "↓", "higher": "↑"}
GAP = 2  # columns of the terminal between two of the table
LONGEST_NAME = 34  # beyond, a name goes on in the next line, where columns need the room
NARROWEST = 12  # a column that does not fit is made no narrower than this; it moves to the next page
UNLIMITED = 10_000


@dataclass(frozen=True)
class Row:
    """A line of a table: a name, and an entry for each column, of which `bold` stands out; without any, a heading."""

    name: str
    cells: tuple[str, ...] = ()
    bold: int | None = None


def terminal_width() -> int:
    """Return how wide the terminal is; 80 where there is none."""
    return max(40, shutil.get_terminal_size().columns)


def listing_width() -> int:
    """Return the width of a listing; off a terminal programs read it, which want each entry on one line."""
    return terminal_width() if sys.stdout.isatty() else UNLIMITED


def render(renderable: RenderableType, width: int) -> list[str]:
    """Return what rich makes of it, line by line, coloured, without blanks at the end."""
    console = Console(file=io.StringIO(), force_terminal=True, color_system="standard", width=width, highlight=False)
    with console.capture() as text:
        console.print(renderable)
    lines = [re.sub(r"(?: |\x1b\[[\d;]*m)+$", "", line) for line in text.get().splitlines()]
    return [f"{line}\x1b[0m" if "\x1b" in line else line for line in lines]


def table_lines(heads: Sequence[str], rows: Sequence[Row], width: int, corner: str = "") -> Iterator[str]:
    """Yield the lines of a table, in pages below each other where it is wider than `width`.

    Entries that are wider than their column go on in the next line. `corner` stands above the names.
    """
    names = GAP + max(map(cell_len, [corner, *(row.name for row in rows)]))
    widths = [
        GAP + max(map(cell_len, [head, *(row.cells[at] for row in rows if row.cells)])) for at, head in enumerate(heads)
    ]
    names = min(names, max(LONGEST_NAME, width - sum(widths)))
    room = width - names
    if sum(widths) > room:
        fair = max(room // len(widths), NARROWEST + GAP)
        widths = [min(column, fair, room) for column in widths]
    pages: list[list[int]] = [[]]
    for at, column in enumerate(widths):
        if pages[-1] and sum(widths[other] for other in pages[-1]) + column > room:
            pages.append([])
        pages[-1].append(at)
    for number, page in enumerate(pages):
        yield from ("",) if number else ()
        table = Table(box=None, padding=(0, 0, 0, GAP), pad_edge=False, header_style="bold")
        table.add_column(_name(corner, names), width=names)
        for at in page:
            table.add_column(_entry(heads[at], widths[at]), width=widths[at] - GAP, justify="right")
        for row in rows:
            name = _name(row.name, names) if row.cells else Text(row.name, "cyan")
            cells = [_entry(row.cells[at], widths[at], bold=at == row.bold) for at in page if row.cells]
            table.add_row(name, *cells)
        yield from render(table, width)


def _name(text: str, width: int) -> Text:
    lines = _broken(text, width - GAP)
    lines = lines if len(lines) == 1 else _broken(text, width - 2 * GAP)
    return Text(" " * GAP + f"\n{' ' * 2 * GAP}".join(lines))


def _entry(text: str, width: int, *, bold: bool = False) -> Text:
    return Text("\n".join(_broken(text, width - GAP)), "bold" if bold else "")


def _broken(text: str, width: int) -> list[str]:
    """Return a text in lines: broken after a space or a sign, as rich does not do, else anywhere."""
    lines = [""]
    for part in re.findall(rf".{{0,{width - 1}}}?[ ,/_.=-]|.{{1,{width}}}", text):
        if cell_len(lines[-1] + part.rstrip()) > width:
            lines.append("")
        lines[-1] += part
    return [line.rstrip() for line in lines]


class Footnotes:
    """Letters at values that must not be compared with the others of their line, and why."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def mark(self, text: str, notes: Sequence[str]) -> str:
        """Return a text with the letters of its notes behind it."""
        self.notes += [note for note in dict.fromkeys(notes) if note not in self.notes]
        letters = ",".join(_letter(self.notes.index(note)) for note in notes)
        return f"{text} {letters}".rstrip()

    def lines(self, width: int) -> Iterator[str]:
        """Explain the letters."""
        if self.notes:
            introduction = "values with a letter came about in another way than the others of their line:"
            yield from wrapped(introduction, width, "  ")
        for index, note in enumerate(self.notes):
            yield from wrapped(f"{_letter(index)}  {note}", width, "    ", "       ")


def _letter(index: int) -> str:
    return (chr(ord("a") + index // 26 - 1) if index >= 26 else "") + chr(ord("a") + index % 26)


def with_arrow(name: str, better: str | None) -> str:
    """Return a name with an arrow that says which way is better."""
    return f"{name} {ARROWS[better]}" if better in ARROWS else name


def explain_arrows(betters: Sequence[str | None]) -> str:
    """Explain the arrows that are used."""
    return ", ".join(f"{ARROWS[way]} {way} is better" for way in ARROWS if way in betters)
