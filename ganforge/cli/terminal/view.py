"""What a person sees while it trains: a live view on a terminal, plain lines elsewhere, next to nothing when quiet."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from ganforge.cli.terminal.findings import block
from ganforge.cli.terminal.progress import BEHIND, Direction, Pace, Scores, duration, metrics_of, number, rate

if TYPE_CHECKING:
    from ganforge.api.monitor import Finding
    from ganforge.training.reporter import Reporter
from ganforge.training.reporter import SilentReporter

SHORT = {"discriminator": "D", "generator": "G"}
APART = ("gradient_norm", "_score", "_score_std", "separation", "overfit")  # readings that a line has no room for


@contextmanager
def make_view(
    total_images: int,
    start_images: int,
    quiet: bool,
    *,
    mute: bool = False,
    better: Mapping[str, Direction] | None = None,
) -> Iterator[Reporter]:
    """Open a view on stderr for the length of the context.

    Args:
        total_images: images shown when the run is over.
        start_images: images shown before this process began.
        quiet: tell only what a person must read.
        mute: tell nothing.
        better: which way metrics get better, by the name of a value; of others no best value is told.
    """
    pace, scores = Pace(total_images, start_images), Scores(better or {})
    if quiet or mute:
        yield SilentReporter() if mute else SilentView()
        return
    from rich.console import Console

    console = Console(stderr=True, highlight=False)
    if not sys.stderr.isatty() or console.is_dumb_terminal:
        yield PlainView(pace, scores)
        return
    from ganforge.cli.terminal.live import LiveView

    with LiveView(console, pace, scores) as view:
        yield view


class SilentView(SilentReporter):
    """`--quiet`: only what a person must read."""

    def say(self, text: str) -> None:
        """Say it on stderr."""
        click.echo(text, err=True)

    def finding(self, images: int, finding: Finding) -> None:
        """Tell it on stderr."""
        click.echo(block(images, finding), err=True)


class PlainView:
    """One line every log interval, for files, pipes and terminals that cannot be drawn on."""

    def __init__(self, pace: Pace, scores: Scores) -> None:
        self.pace, self.scores = pace, scores

    def progress(self, images: int) -> None:
        """Note it; nothing is written."""
        self.pace.note(images)

    def values(self, images: int, values: Mapping[str, float]) -> None:
        """Write a line of terms, or of metrics."""
        measured, shown = metrics_of(values), terms(values)
        self.scores.note(images, measured)
        total = f"{self.pace.total:,}"
        parts = [f"{images:>{len(total)},}/{total} images"]
        if measured:
            parts += [self._metric(name) for name in measured]
        elif not shown:
            return
        else:
            speed = values.get("speed/images_per_second", self.pace.speed)
            left = self.pace.left
            parts += [f"{rate(speed):>5} img/s", f"{'?' if left is None else duration(left):>7} left"]
            parts += [f"{label} {value}" for label, value in shown]
        click.echo(f"  {'  '.join(parts)}", err=True)

    def _metric(self, name: str) -> str:
        value, _ = self.scores.newest[name]
        best = self.scores.best.get(name)
        return f"{name} {number(value)}" + (f" (best {number(best[0])} at {best[1]:,})" if best else "")

    def say(self, text: str) -> None:
        """Say it on stderr."""
        click.echo(text, err=True)

    def finding(self, images: int, finding: Finding) -> None:
        """Tell it on stderr."""
        click.echo(block(images, finding), err=True)


def terms(values: Mapping[str, float]) -> list[tuple[str, str]]:
    """Return short labels and values of the terms, the discriminator's first: D 1.234, G 0.8760, r1 0.0123."""
    found: dict[str, str] = {}
    for name in sorted(values, key=lambda name: (not name.endswith("/adversarial"), name)):
        group, _, term = name.partition("/")
        if not term or group in BEHIND or term.endswith(APART):
            continue
        label = SHORT.get(group, group) if term == "adversarial" else term
        label = f"{group} {term}" if label in found or (len(label) == 1 and term != "adversarial") else label
        found[label] = f"{number(values[name]):<6}"
    return list(found.items())
