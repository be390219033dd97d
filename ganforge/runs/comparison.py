"""Comparison of runs: what differs in their recipes, what came out, several seeds as one."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Literal

from ganforge.api.plan import Direction
from ganforge.errors import RecipeError
from ganforge.evaluation.evaluate import sample_std
from ganforge.evaluation.receipts import comparable_groups, differing, explain_differences
from ganforge.runs.run_groups import RunGroup, group_seeds, short_names
from ganforge.runs.summary import MetricReading, RunSummary

ReadingKind = Literal["final", "best", "evaluated"]  # of a metric: the newest, the best, measured afterwards


@dataclass(frozen=True)
class Mean:
    """A value over several seeds: mean, standard deviation of a sample (n - 1; None for one) and how many."""

    mean: float
    std: float | None
    count: int


@dataclass(frozen=True)
class MetricComparison:
    """A metric of several groups.

    Args:
        name: of the value.
        better: which way.
        readings: of each group, those of its runs that count.
        caveats: of each group, why its values must not be compared with the others.
        best: index of the group whose mean is best among those that may be compared; None where there is no choice.
    """

    name: str
    better: Direction | None
    readings: tuple[tuple[MetricReading, ...], ...]
    caveats: tuple[tuple[str, ...], ...]
    best: int | None

    @property
    def means(self) -> list[Mean | None]:
        """The mean of each group; None where it has no such value."""
        return [mean_of([reading.value for reading in group]) if group else None for group in self.readings]


@dataclass(frozen=True)
class Comparison:
    """Runs side by side; see `compare`."""

    runs: tuple[RunSummary, ...]

    @cached_property
    def recipes(self) -> list[RunGroup]:
        """The runs by recipe: those that differ by their seed alone are one group."""
        return group_seeds(self.runs)

    @cached_property
    def groups(self) -> list[RunGroup]:
        """What is set side by side: recipes; the seeds of a single recipe one by one, and all of them together."""
        if len(self.recipes) > 1 or len(self.runs) == 1:
            return self.recipes
        (whole,) = self.recipes
        single = [RunGroup(name, (run,)) for run, name in zip(whole.runs, short_names(whole.runs), strict=True)]
        return [*single, RunGroup(f"mean ± std of {len(whole.counted)}", whole.runs, summary=True)]

    @cached_property
    def differences(self) -> dict[str, list[Any]]:
        """The entries of recipes in which groups differ, one for each group; of the summary there is none."""
        shown = [group for group in self.groups if not group.summary]
        found = differences([group.runs[0] for group in shown])
        if any(len(group.runs) > 1 for group in shown):
            found.pop("seed", None)
        return found

    def metrics(self, kind: ReadingKind) -> Iterator[MetricComparison]:
        """Yield the metrics that any run has; best values only where one is not the newest of its run."""
        for name in dict.fromkeys(name for run in self.runs for name in _readings(run, kind)):
            runs = [run for run in self.runs if name in run.final]
            if kind != "best" or any(run.best.get(name) != run.final[name] for run in runs):
                yield self._metric(name, kind)

    def _metric(self, name: str, kind: ReadingKind) -> MetricComparison:
        found = [[_readings(run, kind).get(name) for run in group.counted] for group in self.groups]
        readings = tuple(tuple(filter(None, group)) for group in found)
        said = iter(explain_differences([reading.receipt for group in readings for reading in group]))
        caveats = tuple(tuple(dict.fromkeys(filter(None, [next(said) for _ in group]))) for group in readings)
        better = next((run.better[name] for run in reversed(self.runs) if name in run.better), None)
        means = {
            index: statistics.fmean(reading.value for reading in readings[index])
            for index, group in enumerate(self.groups)
            if readings[index] and not caveats[index] and not group.summary
        }
        finite = {index: mean for index, mean in means.items() if math.isfinite(mean)}
        choose = min if better == "lower" else max
        best = None if better is None or len(finite) < 2 else choose(finite, key=lambda index: finite[index])
        return MetricComparison(name, better, readings, caveats, best)

    def to_json(self) -> dict[str, Any]:
        """Return all there is to tell, as JSON takes it."""
        names = list(dict.fromkeys(name for run in self.runs for name in run.final))
        return {
            "runs": [run.to_json() for run in self.runs],
            "recipe": {
                key: {str(run.folder): value for run, value in zip(self.runs, values, strict=True)}
                for key, values in differences(self.runs).items()
            },
            "groups": [
                {
                    "runs": [str(run.folder) for run in group.runs],
                    "seeds": [run.seed for run in group.runs],
                    "of": [str(run.folder) for run in group.counted],
                    "metrics": {name: _means(group.counted, name) for name in names},
                }
                for group in self.recipes
            ],
            "receipts_differ": {name: found for name in names if (found := _receipts_that_differ(self.runs, name))},
        }


def compare(runs: Sequence[RunSummary]) -> Comparison:
    """Set runs side by side.

    Raises:
        RecipeError: a run is there twice.
    """
    folders = [run.folder.resolve() for run in runs]
    twice = [str(run.folder) for number, run in enumerate(runs) if folders[number] in folders[:number]]
    if twice:
        raise RecipeError(f"{', '.join(twice)} is named twice; name each run once")
    return Comparison(tuple(runs))


def differences(runs: Sequence[RunSummary]) -> dict[str, list[Any]]:
    """Return, by key, the entries of recipes that are not the same in all runs; None where a recipe has no such entry.

    The keys of one table, such as game.discriminator, stand together.
    """
    keys = dict.fromkeys(key for run in runs for key in run.recipe)
    tables = list(dict.fromkeys(map(_table, keys)))
    found = {key: [run.recipe.get(key) for run in runs] for key in sorted(keys, key=lambda k: tables.index(_table(k)))}
    return {key: values for key, values in found.items() if any(value != values[0] for value in values)}


def _table(key: str) -> str:
    return ".".join(key.split(".")[:-1][:2])


def mean_of(values: Sequence[float]) -> Mean:
    """Return the mean of at least one value."""
    return Mean(statistics.fmean(values), sample_std(values), len(values))


def _readings(run: RunSummary, kind: ReadingKind) -> Mapping[str, MetricReading]:
    return {"final": run.final, "best": run.best, "evaluated": run.evaluated}[kind]


def _means(runs: Sequence[RunSummary], name: str) -> dict[str, Any]:
    values = {
        "final": [run.final[name].value for run in runs if name in run.final],
        "best": [run.best[name].value for run in runs if name in run.best],
    }
    return {kind: asdict(mean_of(some)) for kind, some in values.items() if some and all(map(math.isfinite, some))}


def _receipts_that_differ(runs: Sequence[RunSummary], name: str) -> list[dict[str, Any]]:
    """Return whose receipts differ from that of the most runs, and in what."""
    receipts = {str(run.folder): run.final[name].receipt for run in runs if name in run.final}
    kinds = comparable_groups(list(receipts.values()))
    usual = next((receipt for receipt, kind in zip(receipts.values(), kinds, strict=True) if kind == 0), None)
    return [
        {"run": run, "in": "no receipt" if receipt is None or usual is None else differing(usual, receipt)}
        for (run, receipt), kind in zip(receipts.items(), kinds, strict=True)
        if kind != 0
    ]
