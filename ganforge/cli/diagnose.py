"""`ganforge diagnose`: a run explained again from its log."""

from __future__ import annotations

import json
import math
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from ganforge.diagnosis.panel import Case
    from ganforge.runs.replay import Replay

LABEL, NUMBERS = 14, 24  # columns: of a curve's name, and of what is said behind its newest value
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
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override one entry of the recipe.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--no-plugin", "leave_out", multiple=True, metavar="NAME", help="Leave a plugin out.")
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

    record = replay_run(run, load_catalogue(leave_out), overrides)
    if as_json:
        click.echo(json.dumps(content(record), indent=2))
        return
    width = min(shutil.get_terminal_size().columns, 100)
    for line in story(record, width):
        click.echo(line)


def content(record: Replay) -> dict[str, Any]:
    """Return all there is to tell, in a form that JSON can hold."""
    from ganforge.runs.replay import values_of

    lines = record.panel.lines
    names = sorted({name for line in lines for name in line.values})
    readings = {}
    for name in names:
        finite = [value for value in values_of(lines, name)[1] if math.isfinite(value)]
        if finite:
            readings[name] = {"last": finite[-1], "least": min(finite), "most": max(finite), "lines": len(finite)}
    return {
        "folder": str(record.folder),
        "status": record.run.get("status"),
        "reason": record.run.get("reason"),
        "images": record.images,
        "budget": record.plan.images,
        "roll_backs": record.panel.rollbacks,
        "findings": [
            {
                **asdict(case.finding),
                "monitor": case.monitor,
                "first": case.first,
                "last": case.last,
                "holds": case.holds,
                "rollbacks": case.rollbacks,
            }
            for case in record.cases
        ],
        "readings": readings,
        "notices": list(record.notices),
    }


def story(record: Replay, width: int) -> Iterator[str]:
    """Yield the lines that a person reads."""
    from ganforge.cli.terminal.findings import block

    yield from _head(record, width)
    for case in record.cases:
        same = [other for other in record.cases if other.finding.name == case.finding.name]
        if case is same[0]:  # the others are what happened before roll-backs
            yield block(case.first, case.finding, width, note=_since(case, record, len(same) - 1)).rstrip("\n")
    if not record.panel.monitors and not record.cases:
        yield "\n  nobody looked: the recipe wants no monitors, or none is installed"
    elif not record.cases:
        yield ""
        yield f"  {click.style('nothing wrong was seen', fg='green', bold=True)}  {_watched(record)}"
    yield ""
    yield from _curves(record, width)


def _head(record: Replay, width: int) -> Iterator[str]:
    run, budget = record.run, record.plan.images
    share = f" ({100 * record.images / budget:.0f} %)" if budget else ""
    status = str(run.get("status", "unknown"))
    colour = {"finished": "green", "running": "cyan"}.get(status, "red")
    yield f"  {click.style(str(record.folder), bold=True)}"
    shown = f"{record.images:,} of {budget:,} images shown{share}"
    yield f"  {click.style(status, fg=colour, bold=True)}, {shown}"
    if run.get("start"):
        yield click.style(f"  {_times(run)}", dim=True)
    if run.get("reason"):
        yield click.style(click.wrap_text(str(run["reason"]), width, "  ", "  "), dim=True)
    if record.panel.rollbacks:
        yield f"  rolled back {record.panel.rollbacks} time{'s' if record.panel.rollbacks > 1 else ''}"
    for notice in record.notices:
        yield click.style(click.wrap_text(notice, width, "  ", "  "), dim=True)


def _times(run: Mapping[str, Any]) -> str:
    from ganforge.cli.terminal.progress import duration

    began = time.strftime("%Y-%m-%d %H:%M", time.localtime(run["start"]))
    since = run.get("resumed") or run["start"]
    took = f", took {duration(run['end'] - since)}" if run.get("end") else ""
    return f"begun {began}{' and resumed' if run.get('resumed') else ''}{took}, on {run.get('device', 'cpu')}"


def _since(case: Case, record: Replay, before: int) -> str:
    more = f", and before {before} roll-back{'s' if before > 1 else ''}" if before else ""
    return _when(case, record) + more


def _when(case: Case, record: Replay) -> str:
    if case.rollbacks < record.panel.rollbacks and not case.holds:
        return f", before roll-back {case.rollbacks + 1}"
    if case.holds:
        return "" if case.first == case.last else f", still so at {case.last:,}"
    return ", not since" if case.first == case.last else f", until {case.last:,}"


def _watched(record: Replay) -> str:
    kinds = len(record.panel.monitors)
    return click.style(f"by {kinds} monitors in {len(record.panel.lines):,} lines of the log", dim=True)


def _curves(record: Replay, width: int) -> Iterator[str]:
    from ganforge.runs.replay import values_of

    lines = record.panel.lines
    metrics = list(dict.fromkeys(name for line in lines for name in line.values if "/" not in name))
    drawn = [(label, name, *values_of(lines, name)) for label, name in (*CURVES, *((name, name) for name in metrics))]
    drawn = [row for row in drawn if len(row[3]) >= 2 or (row[3] and row[1] in metrics)]
    label_width = min(max([LABEL, *(len(label) + 2 for label, *_ in drawn)]), width // 4)
    for label, name, images, values in drawn:
        yield _curve(label, images, values, width, label_width, record.plan.direction(name))
    real = {
        name.removeprefix("real/"): line.values[name] for line in lines[:1] for name in line.values if "real/" in name
    }
    if {"variance", "distance", "contrast"} <= set(real):
        from ganforge.cli.terminal.progress import number

        said = ", ".join(f"{name} {number(real[name])}" for name in ("variance", "distance", "contrast"))
        yield click.style(f"  {'real samples':<{label_width}}{said}", dim=True)


def _curve(
    label: str, images: Sequence[int], values: Sequence[float], width: int, label_width: int, better: str | None
) -> str:
    from ganforge.cli.terminal.plots import curve, is_wide, place
    from ganforge.cli.terminal.progress import number

    room = max(width - label_width - NUMBERS - 13, 8)
    finite = [(value, at) for at, value in enumerate(values) if math.isfinite(value)]
    drawn = curve(values, room)
    if not finite:
        return f"  {label:<{label_width}}{drawn} never finite"
    more = f"{number(min(finite)[0])} to {number(max(finite)[0])}" + (" log" if is_wide(values) else "")
    if better is not None:
        best, at = (min if better == "lower" else max)(finite, key=lambda found: found[0])
        column = place(at, len(values), room)
        drawn = drawn[:column] + click.style(drawn[column], fg="green", bold=True) + drawn[column + 1 :]
        more = f"best {number(best)} at {images[at]:,}"
    drawn += " " * (room - 1) if len(values) == 1 else ""
    if len(label) >= label_width:
        label = f"{label[: label_width - 2]}…"
    newest = click.style(f"{number(values[-1]):>8}", bold=True)
    return f"  {label:<{label_width}}{drawn} {newest}  {click.style(more, dim=True)}"
