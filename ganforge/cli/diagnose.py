"""`ganforge diagnose`: a run explained again from its log."""

from __future__ import annotations

import json
import math
import shutil
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ganforge.cli import options
from ganforge.cli.terminal.findings import format_finding
from ganforge.cli.terminal.formats import format_duration, format_number
from ganforge.cli.terminal.plots import column_of, is_logarithmic, sparkline

if TYPE_CHECKING:
    from ganforge.diagnosis.panel import Case
    from ganforge.runs.replay import RunReplay

LABEL_WIDTH, NUMBERS_WIDTH = 14, 24  # columns: of a curve's name, and of what is said behind its newest value
CURVES = (
    ("D loss", "discriminator/adversarial"),
    ("G loss", "generator/adversarial"),
    ("D gradient", "discriminator/gradient_norm"),
    ("G gradient", "generator/gradient_norm"),
    ("separation", "discriminator/separation"),
    ("real score", "discriminator/real_score"),
    ("fake score", "discriminator/fake_score"),
    ("D overfits", "discriminator/overfit"),
    ("grid variance", "grid/variance"),
    ("grid distance", "grid/distance"),
    ("grid contrast", "grid/contrast"),
    ("images/s", "speed/images_per_second"),
)


@click.command("diagnose")
@options.run_folder
@options.overrides
@options.as_json
@options.leave_out
def command(run: Path, overrides: tuple[str, ...], as_json: bool, leave_out: tuple[str, ...]) -> None:
    """Explain RUN, the folder of a run that is over or still going, again from its log.

    Tells what its monitors found, since when and whether it still holds, what may be tried, and how the main readings
    went. Monitors that were installed since look at it, too.

    \b
    Examples:
      ganforge diagnose runs/stylegan2_faces
      ganforge diagnose runs/stylegan2_faces --json
    """
    from ganforge.plugins.loading import load_catalogue
    from ganforge.runs.replay import replay_run

    replay = replay_run(run, load_catalogue(leave_out), overrides)
    if as_json:
        click.echo(json.dumps(replay.to_json(), indent=2))
    else:
        click.echo("\n".join(replay_lines(replay, min(shutil.get_terminal_size().columns, 100))))


def replay_lines(replay: RunReplay, width: int) -> Iterator[str]:
    """Yield the report, line by line."""
    yield from _run_lines(replay, width)
    for case in replay.cases:
        same = [other for other in replay.cases if other.finding.name == case.finding.name]
        if case is same[0]:  # the others are what happened before roll-backs
            undone = len(same) - 1
            note = _period(case, replay)
            note += f", and before {undone} roll-back{'s' if undone > 1 else ''}" if undone else ""
            yield format_finding(case.first, case.finding, width, note).rstrip("\n")
    if not replay.panel.monitors and not replay.cases:
        yield "\n  nobody looked: the recipe wants no monitors, or none is installed"
    elif not replay.cases:
        watched = f"by {len(replay.panel.monitors)} monitors in {len(replay.panel.lines):,} lines of the log"
        yield f"\n  {click.style('nothing wrong was seen', fg='green', bold=True)}  {click.style(watched, dim=True)}"
    yield ""
    yield from _curve_lines(replay, width)


def _run_lines(replay: RunReplay, width: int) -> Iterator[str]:
    run, budget = replay.run, replay.plan.images
    percent = f" ({100 * replay.images / budget:.0f} %)" if budget else ""
    status = str(run.get("status", "unknown"))
    colour = {"finished": "green", "running": "cyan"}.get(status, "red")
    yield f"  {click.style(str(replay.folder), bold=True)}"
    yield f"  {click.style(status, fg=colour, bold=True)}, {replay.images:,} of {budget:,} images shown{percent}"
    if run.get("start"):
        yield click.style(f"  {_times(run)}", dim=True)
    if replay.panel.rollbacks:
        yield f"  rolled back {replay.panel.rollbacks} time{'s' if replay.panel.rollbacks > 1 else ''}"
    for text in filter(None, (run.get("reason"), *replay.notices)):
        yield click.style(click.wrap_text(str(text), width, "  ", "  "), dim=True)


def _times(run: Mapping[str, Any]) -> str:
    began = time.strftime("%Y-%m-%d %H:%M", time.localtime(run["start"]))
    since = run.get("resumed") or run["start"]
    took = f", took {format_duration(run['end'] - since)}" if run.get("end") else ""
    return f"begun {began}{' and resumed' if run.get('resumed') else ''}{took}, on {run.get('device', 'cpu')}"


def _period(case: Case, replay: RunReplay) -> str:
    if case.rollbacks < replay.panel.rollbacks and not case.holds:
        return f", before roll-back {case.rollbacks + 1}"
    if case.holds:
        return "" if case.first == case.last else f", still so at {case.last:,}"
    return ", not since" if case.first == case.last else f", until {case.last:,}"


def _curve_lines(replay: RunReplay, width: int) -> Iterator[str]:
    labels = [(label, name) for label, name in CURVES if len(replay.values(name)[1]) >= 2]
    labels += [(name, name) for name in replay.metric_names]
    label_width = min(max([LABEL_WIDTH, *(len(label) + 2 for label, _ in labels)]), width // 4)
    for label, name in labels:
        yield _curve_line(replay, label, name, width, label_width)
    first = replay.panel.lines[0].values if replay.panel.lines else {}
    real = [name for name in ("variance", "distance", "contrast") if f"real/{name}" in first]
    if real:
        said = ", ".join(f"{name} {format_number(first[f'real/{name}'])}" for name in real)
        yield click.style(f"  {'real samples':<{label_width}}{said}", dim=True)


def _curve_line(replay: RunReplay, label: str, name: str, width: int, label_width: int) -> str:
    images, values = replay.values(name)
    room = max(width - label_width - NUMBERS_WIDTH - 13, 8)
    label = f"{label[: label_width - 2]}…" if len(label) >= label_width else label
    curve = sparkline(values, room)
    finite = list(filter(math.isfinite, values))
    if not finite:
        return f"  {label:<{label_width}}{curve} never finite"
    best = replay.best_line(name)
    if best is None:
        more = f"{format_number(min(finite))} to {format_number(max(finite))}"
        more += " log" if is_logarithmic(values) else ""
    else:
        column = column_of(best, len(values), room)
        curve = curve[:column] + click.style(curve[column], fg="green", bold=True) + curve[column + 1 :]
        more = f"best {format_number(values[best])} at {images[best]:,}"
    curve += " " * (room - 1) if len(values) == 1 else ""
    newest = click.style(f"{format_number(values[-1]):>8}", bold=True)
    return f"  {label:<{label_width}}{curve} {newest}  {click.style(more, dim=True)}"
