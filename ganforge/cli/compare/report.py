"""Report of a comparison on a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from ganforge.api.toml import toml_value
from ganforge.cli.terminal.formats import format_duration, format_mean, format_rate, wrapped
from ganforge.cli.terminal.tables import Footnotes, Row, explain_arrows, table_lines, with_arrow
from ganforge.runs.comparison import Comparison, MetricComparison, ReadingKind
from ganforge.runs.run_groups import RunGroup

METRIC_TITLES: dict[ReadingKind, str] = {
    "final": "metrics at the end",
    "best": "best metrics",
    "evaluated": "evaluated afterwards, and saved",
}


def comparison_lines(comparison: Comparison, width: int) -> Iterator[str]:
    """Yield the report, line by line."""
    footnotes = Footnotes()
    rows = [*_run_rows(comparison), *_recipe_rows(comparison)]
    betters = []
    for kind, title in METRIC_TITLES.items():
        metrics = list(comparison.metrics(kind))
        betters += [metric.better for metric in metrics]
        rows += [Row(title)] if metrics else []
        for metric in metrics:
            rows += _metric_rows(comparison, metric, kind, footnotes)
    rows += _finding_rows(comparison)
    yield from table_lines([group.name for group in comparison.groups], rows, width)
    yield ""
    several = any(len(group.runs) > 1 for group in comparison.groups)
    notes = [explain_arrows(betters), "± is the standard deviation of a sample" if several else ""]
    yield from wrapped("; ".join(filter(None, notes)), width, "  ", "  ")
    yield from footnotes.lines(width)
    left_out = [run.folder.name for group in comparison.recipes for run in group.runs if run not in group.counted]
    if left_out:
        yield from wrapped(f"means are of finished runs; not among them: {', '.join(left_out)}", width, "  ", "    ")
    for run in comparison.runs:
        for notice in run.replay.notices:
            yield from wrapped(f"{run.folder}: {notice}", width, "  ", "    ")
    yield from (f"  grid  {run.grid}" for run in comparison.runs if run.grid is not None)


def _run_rows(comparison: Comparison) -> Iterator[Row]:
    def row(name: str, cell: Callable[[RunGroup], str]) -> Row:
        return Row(name, tuple("" if group.summary else cell(group) for group in comparison.groups))

    yield Row("runs")
    if any(len(group.runs) > 1 and not group.summary for group in comparison.groups):
        yield row("seeds", lambda group: ",".join(str(run.seed) for run in group.runs))
    yield row("status", lambda group: _count([run.status for run in group.runs]))
    yield row("images", lambda group: _range([run.images for run in group.runs]))
    yield row("time", lambda group: _average([run.seconds for run in group.runs], format_duration))
    yield row("images/s", lambda group: _average([run.speed for run in group.runs], format_rate))
    devices = {run.folder: str(run.replay.run.get("device")) for run in comparison.runs}
    if len(set(devices.values())) > 1:
        yield row("device", lambda group: ", ".join(dict.fromkeys(devices[run.folder] for run in group.runs)))


def _recipe_rows(comparison: Comparison) -> Iterator[Row]:
    yield from [Row("recipe, where it differs")] if comparison.differences else []
    for key, values in comparison.differences.items():
        cells = ["-" if value is None else toml_value(value).strip('"') for value in values]
        yield Row(key, (*cells, *("" for group in comparison.groups if group.summary)))


def _metric_rows(
    comparison: Comparison, metric: MetricComparison, kind: ReadingKind, footnotes: Footnotes
) -> Iterator[Row]:
    cells = [
        "-" if mean is None else footnotes.mark(format_mean(mean.mean, mean.std), caveats)
        for mean, caveats in zip(metric.means, metric.caveats, strict=True)
    ]
    yield Row(with_arrow(metric.name, metric.better), tuple(cells), bold=metric.best)
    times = [[reading.images for reading in group] for group in metric.readings]
    different = {images for group in times for images in group}
    if kind == "best" or len(different) > 1 or not different <= {run.images for run in comparison.runs}:
        pairs = zip(comparison.groups, times, strict=True)
        yield Row("  after images", tuple("" if group.summary else _range(images) for group, images in pairs))


def _finding_rows(comparison: Comparison) -> Iterator[Row]:
    names = dict.fromkeys(case.finding.name for run in comparison.runs for case in run.replay.cases)
    yield from [Row("findings, by images when first seen")] if names else []
    for name in names:
        cells = []
        for group in comparison.groups:
            seen = [case.first for run in group.runs for case in run.replay.cases if case.finding.name == name]
            count = f"{len(seen)}: " if seen and len(group.runs) > 1 else ""
            cells.append("" if group.summary else f"{count}{_range(seen) or '-'}")
        yield Row(name, tuple(cells))


def _count(words: Sequence[str]) -> str:
    if len(words) == 1:
        return words[0]
    return ", ".join(f"{words.count(word)} {word}" for word in dict.fromkeys(words))


def _range(values: Sequence[int]) -> str:
    return "-".join(f"{value:,}" for value in dict.fromkeys((min(values), max(values)))) if values else ""


def _average(values: Sequence[float | None], form: Callable[[float], str]) -> str:
    known = [value for value in values if value is not None]
    return form(sum(known) / len(known)) if known else "-"
