"""How runs side by side are told on a terminal."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ganforge.api.toml import toml_value
from ganforge.cli.terminal.progress import duration, rate
from ganforge.cli.terminal.tables import Marks, Row, columns, direction, legend, plus_minus, table, wrapped
from ganforge.runs.comparison import counted_runs, differences, group_seeds, mean_of, short_names
from ganforge.runs.run import MetricReading, Run

KINDS = {"final": "metrics at the end", "best": "best metrics", "evaluated": "evaluated afterwards, and saved"}


@dataclass(frozen=True)
class Column:
    """One run, or several seeds of one recipe as one."""

    name: str
    runs: tuple[Run, ...]
    mean: bool = False  # it stands beside the runs that it is the mean of

    @property
    def counted(self) -> list[Run]:
        """The runs that means are taken over."""
        return counted_runs(self.runs)


def columns_of(runs: Sequence[Run]) -> list[Column]:
    """Return a column for each run; for each recipe where there are several, and several seeds of any."""
    recipes = group_seeds(runs)
    names = dict(zip([run.folder for run in runs], short_names(runs), strict=True))
    if len(recipes) == len(runs):
        return [Column(names[run.folder], (run,)) for run in runs]
    if len(recipes) == 1:
        whole = recipes[0]
        return [*(Column(names[run.folder], (run,)) for run in whole), Column(_title(whole), tuple(whole), mean=True)]
    return [Column(_common(group, [names[run.folder] for run in group]), tuple(group)) for group in recipes]


def _title(group: Sequence[Run]) -> str:
    return f"mean ± std of {len(counted_runs(group))}"


def _common(group: Sequence[Run], names: Sequence[str]) -> str:
    """Return what the names of several seeds have in common; the folder above them where that is nothing."""
    if len(names) == 1:
        return names[0]
    first = min(names, key=len)
    size = next((at for at in range(len(first)) if any(name[at] != first[at] for name in names)), len(first))
    stem = first[:size].removesuffix("seed").rstrip("-_. ")
    return stem or group[0].folder.resolve().parent.name


def lines(runs: Sequence[Run]) -> Iterator[str]:
    """Say it on a terminal."""
    width, marks = columns(), Marks()
    found = columns_of(runs)
    rows = [*_runs(found), *_recipes(found)]
    names = list(dict.fromkeys(name for run in runs for name in (*run.final, *run.evaluated)))
    better = {name: way for run in runs for name, way in run.better.items()}
    for kind, title in KINDS.items():
        rows += _metrics(found, names, kind, title, better, marks)
    rows += _findings(found)
    yield from table([column.name for column in found], rows, width)
    yield ""
    notes = [legend([better.get(name) for name in names])] if names else []
    if any(len(column.runs) > 1 for column in found):
        notes.append("± is the standard deviation of a sample")
    if any(notes):
        yield from wrapped("; ".join(note for note in notes if note), width, "  ", "  ")
    yield from marks.say(width)
    left_out = [run.folder.name for column in found for run in column.runs if run not in column.counted]
    if left_out:
        said = f"means are of finished runs; not among them: {', '.join(left_out)}"
        yield from wrapped(said, width, "  ", "    ")
    for run in runs:
        for notice in run.notices:
            yield from wrapped(f"{run.folder}: {notice}", width, "  ", "    ")
    grids = [str(run.grid) for run in runs if run.grid is not None]
    yield from [f"  grid  {grid}" for grid in grids]


def _runs(found: Sequence[Column]) -> Iterator[Row]:
    def row(name: str, of: Any) -> Row:
        return Row(name, tuple("" if column.mean else of(column) for column in found))

    yield Row("runs", head=True)
    if any(len(column.runs) > 1 and not column.mean for column in found):
        yield row("seeds", lambda column: ",".join(str(run.seed) for run in column.runs))
    yield row("status", lambda column: _status(column.runs))
    yield row("images", lambda column: _span([run.images for run in column.runs], "{:,}"))
    yield row("time", lambda column: _mean([run.seconds for run in column.runs], duration))
    yield row("images/s", lambda column: _mean([run.speed for run in column.runs], rate))
    devices = {str(run.run_json.get("device")) for column in found for run in column.runs}
    if len(devices) > 1:
        yield row(
            "device", lambda column: ", ".join(dict.fromkeys(str(run.run_json.get("device")) for run in column.runs))
        )


def _status(runs: Sequence[Run]) -> str:
    found = [run.status for run in runs]
    if len(runs) == 1:
        return found[0]
    return ", ".join(f"{found.count(status)} {status}" for status in dict.fromkeys(found))


def _span(values: Sequence[int], form: str) -> str:
    low, high = form.format(min(values)), form.format(max(values))
    return low if low == high else f"{low}-{high}"


def _mean(values: Sequence[float | None], say: Any) -> str:
    known = [value for value in values if value is not None]
    return str(say(sum(known) / len(known))) if known else "-"


def _recipes(found: Sequence[Column]) -> Iterator[Row]:
    changed = differences([run for column in found if not column.mean for run in column.runs[:1]])
    if any(len(column.runs) > 1 and not column.mean for column in found):
        changed.pop("seed", None)
    if not changed:
        return
    yield Row("recipe, where it differs", head=True)
    for key, values in changed.items():
        cells = ["-" if value is None else toml_value(value).strip('"') for value in values]
        yield Row(key, (*cells, *("" for column in found if column.mean)))


def _metrics(
    found: Sequence[Column], names: Sequence[str], kind: str, title: str, better: Mapping[str, str], marks: Marks
) -> Iterator[Row]:
    shown = [name for name in names if any(name in _values(run, kind) for column in found for run in column.runs)]
    if kind == "best":  # only where it is not the newest
        shown = [name for name in shown if any(run.best.get(name) != run.final.get(name) for run in _with(found, name))]
    if not shown:
        return
    yield Row(title, head=True)
    for name in shown:
        measured = [
            [_values(run, kind)[name] for run in column.counted if name in _values(run, kind)] for column in found
        ]
        letters = _letters(measured, marks)
        cells = []
        for values, letter in zip(measured, letters, strict=True):
            told = mean_of([value.value for value in values]) if values else None
            cells.append("-" if told is None else f"{plus_minus(told.mean, told.std)} {letter}".rstrip())
        yield Row(
            direction(name, better.get(name)), tuple(cells), bold=_winner(found, measured, letters, better.get(name))
        )
        when = {value.images for values in measured for value in values}
        if kind == "best" or len(when) > 1 or not when <= {run.images for column in found for run in column.runs}:
            at = [_span([value.images for value in values], "{:,}") if values else "" for values in measured]
            yield Row(
                "  after images", tuple("" if column.mean else text for column, text in zip(found, at, strict=True))
            )


def _letters(measured: Sequence[Sequence[MetricReading]], marks: Marks) -> list[str]:
    """Return a mark for each column: the marks of all its values."""
    flat = [(index, value) for index, values in enumerate(measured) for value in values]
    letters = marks.line([value.receipt for _, value in flat])
    return [
        ",".join(dict.fromkeys(letter for (at, _), letter in zip(flat, letters, strict=True) if at == index and letter))
        for index in range(len(measured))
    ]


def _winner(
    found: Sequence[Column], measured: Sequence[Sequence[MetricReading]], letters: Sequence[str], better: str | None
) -> int | None:
    """Return the column whose value is best, among those that can be compared; None where there is no choice."""
    means = {
        index: mean_of([value.value for value in values]).mean
        for index, values in enumerate(measured)
        if values and not letters[index] and not found[index].mean
    }
    finite = {index: value for index, value in means.items() if math.isfinite(value)}
    if better is None or len(finite) < 2:
        return None
    return (min if better == "lower" else max)(finite, key=lambda index: finite[index])


def _with(found: Sequence[Column], name: str) -> list[Run]:
    return [run for column in found for run in column.runs if name in run.final]


def _values(run: Run, kind: str) -> Mapping[str, MetricReading]:
    return {"final": run.final, "best": run.best, "evaluated": run.evaluated}[kind]


def _findings(found: Sequence[Column]) -> Iterator[Row]:
    names = dict.fromkeys(finding.name for column in found for run in column.runs for finding in run.findings)
    if not names:
        return
    yield Row("findings, and the images shown when first seen", head=True)
    for name in names:
        cells = []
        for column in found:
            seen = [finding.images for run in column.runs for finding in run.findings if finding.name == name]
            said = _span(seen, "{:,}") if seen else "-"
            cells.append("" if column.mean else said if len(column.runs) == 1 or not seen else f"{len(seen)}: {said}")
        yield Row(name, tuple(cells))
