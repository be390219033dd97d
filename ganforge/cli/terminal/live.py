"""Live view: bar, speed, time left, the terms of each player, the newest and the best metrics."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping

from rich.console import Console, ConsoleOptions, RenderableType
from rich.file_proxy import FileProxy
from rich.live import Live
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.text import Text

from ganforge.api.monitor import Finding
from ganforge.cli.terminal.findings import format_finding
from ganforge.cli.terminal.formats import format_duration, format_number, format_rate
from ganforge.cli.terminal.progress import HIDDEN_GROUPS, SPEED, MetricHistory, RunProgress, metrics_of

MARGIN, LABEL_WIDTH, CELL_WIDTH = 2, 15, 26  # columns


class _PrintAbove(FileProxy):
    """What anybody prints meanwhile scrolls away above the view; click, too, which otherwise writes to `buffer`."""

    buffer = None


class LiveView:
    """Redraws a few lines at the bottom of the terminal, four times a second; what is said scrolls away above.

    Args:
        console: on a terminal.
        run: how far it is.
        history: newest and best metrics.
    """

    def __init__(self, console: Console, run: RunProgress, history: MetricHistory) -> None:
        self.console, self.run, self.history = console, run, history
        self.logged: dict[str, float] = {}
        self.speed: float | None = None  # images per second, since the log line before
        self._live = Live(self, console=console, auto_refresh=False, redirect_stdout=False, redirect_stderr=False)
        self._streams = sys.stdout, sys.stderr

    def __enter__(self) -> LiveView:
        self._streams = sys.stdout, sys.stderr
        if sys.stdout.isatty():
            sys.stdout = _PrintAbove(self.console, sys.stdout)
        sys.stderr = _PrintAbove(self.console, sys.stderr)
        self._live.start(refresh=True)
        return self

    def __exit__(self, *error: object) -> None:
        self._live.refresh()
        self._live.stop()
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        sys.stdout, sys.stderr = self._streams

    def progress(self, images: int) -> None:
        """Note it, and redraw when it is time."""
        if self.run.update(images):
            self._live.refresh()

    def values(self, images: int, values: Mapping[str, float]) -> None:
        """Take in terms, readings or metrics; the next redraw shows them."""
        self.history.update(images, metrics_of(values))
        self.speed = values.get(SPEED, self.speed)
        self.logged |= {name: value for name, value in values.items() if "/" in name and _shown(name)}
        if metrics_of(values):
            self._live.refresh()

    def say(self, text: str) -> None:
        """Say it above the view."""
        self.console.print(Text(text))

    def finding(self, images: int, finding: Finding) -> None:
        """Tell it above the view; what is to be pasted stays on its line."""
        self.console.print(Text.from_ansi(format_finding(images, finding, self.console.width)), soft_wrap=True)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        width = options.max_width
        yield Text()
        yield self._headline(width)
        bar = ProgressBar(self.run.total, self.run.images, complete_style="green", finished_style="green")
        yield Padding(bar, (0, MARGIN))
        if not self.logged:
            hint = "losses follow here, every run.log_every_images images"
            yield _line(Text(" " * MARGIN + hint, style="dim"), width)
        for group, cells in self._groups().items():
            yield from _rows(group, cells, width)
        for name in self.history.newest:
            yield self._metric(name, width)

    def _headline(self, width: int) -> Text:
        run, left = self.run, self.run.seconds_left
        parts = [f"{run.images:,} of {run.total:,} images", f"{min(100 * run.images // run.total, 100)} %"]
        parts += [] if self.speed is None else [f"{format_rate(self.speed)} images/s"]
        if run.images >= run.total:
            parts.append(f"took {format_duration(run.clock() - run.began)}")
        else:
            parts.append("starting" if left is None else f"{format_duration(left)} left")
        return _line(Text(" " * MARGIN + "   ".join(parts), style="bold"), width)

    def _groups(self) -> dict[str, list[tuple[str, str]]]:
        groups: dict[str, list[tuple[str, str]]] = {}
        for name in sorted(self.logged, key=lambda name: name.endswith("gradient_norm")):
            group, _, term = name.partition("/")
            groups.setdefault(group, []).append((term.replace("_", " "), format_number(self.logged[name])))
        return dict(sorted(groups.items(), key=lambda item: (item[0] not in ("generator", "discriminator"), item[0])))

    def _metric(self, name: str, width: int) -> Text:
        value, images = self.history.newest[name]
        parts = [(f"{name:<{LABEL_WIDTH - 1}} ", "bold"), (format_number(value), "bold green")]
        parts.append((f" at {images:,} images", "dim"))
        if name in self.history.best:
            best, then = self.history.best[name]
            parts += [(f"   best {format_number(best)}", ""), (f" at {then:,}", "dim")]
        return _line(Text.assemble(" " * MARGIN, *parts), width)


def _shown(name: str) -> bool:
    """Whether there is room for a term: the gradient norms of lazy turns have none."""
    lazy = name.count("/") > 1 and name.endswith("/gradient_norm")
    return name.partition("/")[0] not in HIDDEN_GROUPS and not name.endswith("_score_std") and not lazy


def _rows(group: str, cells: list[tuple[str, str]], width: int) -> Iterator[Text]:
    columns = max(1, (width - MARGIN - LABEL_WIDTH) // CELL_WIDTH)
    for start in range(0, len(cells), columns):
        line = Text.assemble(" " * MARGIN, (f"{'' if start else group:<{LABEL_WIDTH - 1}} ", "bold"))
        for name, value in cells[start : start + columns]:
            line.append(f"{name} ", style="dim")
            line.append(f"{value:<{max(CELL_WIDTH - len(name) - 1, len(value) + 1)}}")
        yield _line(line, width)


def _line(text: Text, width: int) -> Text:
    text.rstrip()
    text.truncate(width - 1, overflow="ellipsis")
    text.no_wrap = True
    return text
