"""Views of a run at work: live on a terminal, plain lines elsewhere, next to nothing when quiet."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from ganforge.cli.terminal.findings import format_finding
from ganforge.cli.terminal.formats import format_duration, format_number, format_rate
from ganforge.cli.terminal.progress import HIDDEN_GROUPS, SPEED, MetricHistory, RunProgress, metrics_of
from ganforge.training.reporter import SilentReporter

if TYPE_CHECKING:
    from ganforge.api.monitor import Finding
    from ganforge.api.plan import Direction
    from ganforge.training.reporter import Reporter

ABBREVIATIONS = {"discriminator": "D", "generator": "G"}
HIDDEN_TERMS = ("gradient_norm", "_score", "_score_std", "separation", "overfit")  # a line has no room for these


@contextmanager
def make_view(
    total_images: int, quiet: bool, *, mute: bool = False, better: Mapping[str, Direction] | None = None
) -> Iterator[Reporter]:
    """Open a view on stderr for the length of the context.

    Args:
        total_images: images shown when the run is over.
        quiet: tell only what a person must read.
        mute: tell nothing.
        better: which way metrics get better, by the name of a value; of others no best value is told.
    """
    run, history = RunProgress(total_images), MetricHistory(better or {})
    if quiet or mute:
        yield SilentReporter() if mute else SilentView()
        return
    from rich.console import Console

    console = Console(stderr=True, highlight=False)
    if not sys.stderr.isatty() or console.is_dumb_terminal:
        yield PlainView(run, history)
        return
    from ganforge.cli.terminal.live import LiveView

    with LiveView(console, run, history) as view:
        yield view


class SilentView(SilentReporter):
    """`--quiet`: only what a person must read."""

    def say(self, text: str) -> None:
        """Say it on stderr."""
        click.echo(text, err=True)

    def finding(self, images: int, finding: Finding) -> None:
        """Tell it on stderr."""
        click.echo(format_finding(images, finding), err=True)


class PlainView(SilentView):
    """One line every log interval, for files, pipes and terminals that cannot be drawn on."""

    def __init__(self, run: RunProgress, history: MetricHistory) -> None:
        self.run, self.history = run, history

    def progress(self, images: int) -> None:
        """Note it; nothing is written."""
        self.run.update(images)

    def values(self, images: int, values: Mapping[str, float]) -> None:
        """Write a line of terms, or of metrics."""
        measured, shown = metrics_of(values), format_terms(values)
        self.history.update(images, measured)
        total = f"{self.run.total:,}"
        parts = [f"{images:>{len(total)},}/{total} images"]
        if measured:
            parts += [self._metric(name) for name in measured]
        elif not shown:
            return
        else:
            speed, left = values.get(SPEED), self.run.seconds_left
            parts.append(f"{'?' if speed is None else format_rate(speed):>5} img/s")
            parts.append(f"{'?' if left is None else format_duration(left):>7} left")
            parts += [f"{label} {value}" for label, value in shown]
        click.echo(f"  {'  '.join(parts)}", err=True)

    def _metric(self, name: str) -> str:
        value, _ = self.history.newest[name]
        best = self.history.best.get(name)
        return f"{name} {format_number(value)}" + (f" (best {format_number(best[0])} at {best[1]:,})" if best else "")


def format_terms(values: Mapping[str, float]) -> list[tuple[str, str]]:
    """Return short labels and values of the terms, the discriminator's first: D 1.234, G 0.8760, r1 0.0123."""
    found: dict[str, str] = {}
    for name in sorted(values, key=lambda name: (not name.endswith("/adversarial"), name)):
        group, _, term = name.partition("/")
        if not term or group in HIDDEN_GROUPS or term.endswith(HIDDEN_TERMS):
            continue
        label = ABBREVIATIONS.get(group, group) if term == "adversarial" else term
        label = f"{group} {term}" if label in found or (len(label) == 1 and term != "adversarial") else label
        found[label] = f"{format_number(values[name]):<6}"
    return list(found.items())
