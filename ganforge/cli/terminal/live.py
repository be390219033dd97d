"""The live view: bar, speed, time left, the terms of each player, the newest and the best metrics."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from types import TracebackType

from rich.console import Console, ConsoleOptions
from rich.file_proxy import FileProxy
from rich.live import Live
from rich.text import Text

from ganforge.api.monitor import Finding
from ganforge.cli.terminal.findings import block
from ganforge.cli.terminal.progress import BEHIND, Pace, Scores, duration, metrics_of, number, rate

MARGIN, LABEL, CELL = 2, 15, 26  # columns


class _Above(FileProxy):
    """What anybody prints meanwhile scrolls away above the view; click, too, which otherwise writes to `buffer`."""

    buffer = None


class LiveView:
    """Redraws a few lines at the bottom of the terminal, four times a second; what is said scrolls away above.

    Args:
        console: on a terminal.
        pace: of the run.
        scores: newest and best metrics.
    """

    def __init__(self, console: Console, pace: Pace, scores: Scores) -> None:
        self.console, self.pace, self.scores = console, pace, scores
        self.logged: dict[str, float] = {}
        self._live = Live(self, console=console, auto_refresh=False, redirect_stdout=False, redirect_stderr=False)
        self._streams = sys.stdout, sys.stderr

    def __enter__(self) -> LiveView:
        self._streams = sys.stdout, sys.stderr
        if sys.stdout.isatty():
            sys.stdout = _Above(self.console, sys.stdout)
        sys.stderr = _Above(self.console, sys.stderr)
        self._live.start(refresh=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.refresh()
        self._live.stop()
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        sys.stdout, sys.stderr = self._streams

    def progress(self, images: int) -> None:
        """Note it, and redraw when it is time."""
        if self.pace.note(images):
            self._live.refresh()

    def values(self, images: int, values: Mapping[str, float]) -> None:
        """Take in terms, readings or metrics; the next redraw shows them."""
        self.scores.note(images, metrics_of(values))
        self.logged |= {name: value for name, value in values.items() if "/" in name and _shown(name)}
        if metrics_of(values):
            self._live.refresh()

    def say(self, text: str) -> None:
        """Say it above the view."""
        self.console.print(Text(text))

    def finding(self, images: int, finding: Finding) -> None:
        """Tell it above the view; what is to be pasted stays on its line."""
        self.console.print(Text.from_ansi(block(images, finding, self.console.width)), soft_wrap=True)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        width = options.max_width
        yield Text()
        yield self._headline(width)
        yield self._bar(width, ascii_only=options.ascii_only)
        if not self.logged:
            hint = "losses follow here, every run.log_every_images images"
            yield _line(Text(" " * MARGIN + hint, style="dim"), width)
        for group, cells in self._groups().items():
            yield from _rows(group, cells, width)
        for name in self.scores.newest:
            yield self._metric(name, width)

    def _headline(self, width: int) -> Text:
        pace = self.pace
        left = pace.left
        parts = [f"{pace.images:,} of {pace.total:,} images", f"{int(100 * pace.share)} %"]
        parts += [f"{rate(pace.speed)} images/s"] if pace.speed else []
        if pace.images >= pace.total:
            parts.append(f"took {duration(pace.elapsed)}")
        else:
            parts.append("starting" if left is None else f"{duration(left)} left")
        return _line(Text(" " * MARGIN + "   ".join(parts), style="bold"), width)

    def _bar(self, width: int, *, ascii_only: bool) -> Text:
        room = max(width - 2 * MARGIN, 1)
        full = int(room * self.pace.share)
        done, rest = ("=", " ") if ascii_only else ("━", "─")
        return Text.assemble(" " * MARGIN, (done * full, "green"), (rest * (room - full), "dim"), no_wrap=True)

    def _groups(self) -> dict[str, list[tuple[str, str]]]:
        groups: dict[str, list[tuple[str, str]]] = {}
        for name in sorted(self.logged, key=lambda name: name.endswith("gradient_norm")):
            group, _, term = name.partition("/")
            if term.endswith("/gradient_norm"):  # of a lazy turn: no room
                continue
            groups.setdefault(group, []).append((term.replace("_", " "), number(self.logged[name])))
        return dict(sorted(groups.items(), key=lambda item: (item[0] not in ("generator", "discriminator"), item[0])))

    def _metric(self, name: str, width: int) -> Text:
        value, images = self.scores.newest[name]
        line = Text.assemble(" " * MARGIN, (f"{name:<{LABEL - 1}} ", "bold"), (number(value), "bold green"))
        line.append(f" at {images:,} images", style="dim")
        if name in self.scores.best:
            best, then = self.scores.best[name]
            line.append(f"   best {number(best)}")
            line.append(f" at {then:,}", style="dim")
        return _line(line, width)


def _shown(name: str) -> bool:
    return name.partition("/")[0] not in BEHIND and not name.endswith("_score_std")


def _rows(group: str, cells: list[tuple[str, str]], width: int) -> Iterator[Text]:
    columns = max(1, (width - MARGIN - LABEL) // CELL)
    for start in range(0, len(cells), columns):
        line = Text.assemble(" " * MARGIN, (f"{'' if start else group:<{LABEL - 1}} ", "bold"))
        for name, value in cells[start : start + columns]:
            line.append(f"{name} ", style="dim")
            line.append(f"{value:<{max(CELL - len(name) - 1, len(value) + 1)}}")
        yield _line(line, width)


def _line(text: Text, width: int) -> Text:
    text.rstrip()
    text.truncate(width - 1, overflow="ellipsis")
    text.no_wrap = True
    return text
