"""Runs side by side: what their recipes do not have in common, what came out, several seeds as one."""

from __future__ import annotations

import json
import math
import statistics
import time
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ganforge.catalogue import Catalogue
from ganforge.choice import RECIPE, no_run
from ganforge.errors import GanforgeError, RecipeError
from ganforge.evaluation import spread
from ganforge.plan import Direction
from ganforge.record import read_run
from ganforge.tracking import read_lines

SPEED = "speed/images_per_second"
OF_NO_CONSEQUENCE = "tracking"  # the table of a recipe that decides nothing about a result
SEED = "seed"


@dataclass(frozen=True)
class Measured:
    """A value of a metric, with its receipt where one was written.

    Args:
        value: NaN where it was not finite.
        images: shown then.
        receipt: how it came about.
    """

    value: float
    images: int
    receipt: Mapping[str, Any] | None


@dataclass(frozen=True)
class Found:
    """What a monitor found: its name, the images shown when it was first seen, and whether it is a failure."""

    name: str
    images: int
    failure: bool
    holds: bool


@dataclass(frozen=True)
class Run:
    """What a run's folder tells for a comparison.

    Args:
        folder: of the run.
        facts: what `run.json` says.
        recipe: every entry by its dotted key.
        images: shown.
        final: the newest value of each metric.
        best: the best value of each metric that has a better.
        better: which way, by the name of a value.
        findings: of its monitors.
        grid: the newest picture of fixed latents.
        speed: images per second, the median of its log; None where nothing was logged.
        notices: what a person should know of this reading.
    """

    folder: Path
    facts: Mapping[str, Any]
    recipe: Mapping[str, Any]
    images: int
    final: Mapping[str, Measured]
    best: Mapping[str, Measured]
    better: Mapping[str, Direction]
    findings: tuple[Found, ...]
    grid: Path | None
    speed: float | None
    notices: tuple[str, ...] = ()

    @property
    def status(self) -> str:
        """How it ended, or that it is running."""
        return str(self.facts.get("status", "unknown"))

    @property
    def seed(self) -> int:
        """Its recipe's seed."""
        return int(self.recipe.get(SEED, 0))

    @property
    def seconds(self) -> float | None:
        """How long it took from its start to its end, or to now; None where it was interrupted, or nobody knows."""
        start, end = self.facts.get("start"), self.facts.get("end")
        if start is None or self.facts.get("resumed") is not None:
            return None
        return float((time.time() if self.status == "running" else end or start) - start)

    @property
    def rules(self) -> str:
        """What all seeds of one recipe share."""
        played = {key: entry for key, entry in self.recipe.items() if key != SEED and not _is_apart(key)}
        return json.dumps(played, sort_keys=True, default=str)


@dataclass(frozen=True)
class Mean:
    """A value over several seeds: mean, standard deviation of a sample (n - 1; None for one) and how many."""

    mean: float
    std: float | None
    count: int


def read(folder: Path, catalogue: Catalogue) -> Run:
    """Read a run, finished or not.

    Raises:
        RecipeError: the folder holds no run.
    """
    if not (folder / RECIPE).is_file():
        raise RecipeError(no_run(folder))
    record = read_run(folder, catalogue)
    try:
        recipe = flat(tomllib.loads((folder / RECIPE).read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise GanforgeError(f"{folder / RECIPE} cannot be read: {error}") from error
    log = _without_undone(read_lines(folder / "metrics.jsonl"))
    names = dict.fromkeys(name for line in log for name in line["values"] if "/" not in name)
    better = {name: way for name in names if (way := record.plan.direction(name)) is not None}
    final: dict[str, Measured] = {}
    best: dict[str, Measured] = {}
    for name in names:
        values = [_measured(name, line) for line in log if name in line["values"]]
        final[name] = values[-1]
        finite = [measured for measured in values if math.isfinite(measured.value)]
        if name in better and finite:
            sign = 1 if better[name] == "lower" else -1
            best[name] = min(finite, key=lambda measured: sign * measured.value)
    speeds = [value for line in log if (value := line["values"].get(SPEED))]
    grids = sorted((folder / "grids").glob("images-*.png"))
    findings = tuple(
        Found(case.finding.name, case.first, case.finding.severity == "failure", case.holds) for case in record.cases
    )
    return Run(
        folder,
        record.run,
        recipe,
        max((int(line["images"]) for line in log), default=0),
        final,
        best,
        better,
        findings,
        grids[-1] if grids else None,
        statistics.median(speeds) if speeds else None,
        record.notices,
    )


def _measured(name: str, line: Mapping[str, Any]) -> Measured:
    value = line["values"][name]
    return Measured(
        math.nan if value is None else float(value), int(line["images"]), (line.get("receipts") or {}).get(name)
    )


def _without_undone(log: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the lines of a log without those that a roll-back has undone."""
    kept: list[Mapping[str, Any]] = []
    for line in log:
        while kept and kept[-1]["images"] > line["images"]:
            kept.pop()
        kept.append(line)
    return kept


def flat(table: Mapping[str, Any], path: str = "") -> dict[str, Any]:
    """Return every entry of a recipe by its dotted key, tables in arrays by their index."""
    found: dict[str, Any] = {}
    for key, entry in table.items():
        place = f"{path}.{key}" if path else str(key)
        if isinstance(entry, Mapping):
            found |= flat(entry, place)
        elif isinstance(entry, list) and entry and all(isinstance(item, Mapping) for item in entry):
            found |= flat({str(index): item for index, item in enumerate(entry)}, place)
        else:
            found[place] = entry
    return found


def differences(runs: Sequence[Run]) -> dict[str, list[Any]]:
    """Return, by key, the entries of recipes that are not the same in all runs; None where a recipe has no such entry.

    Keys are in the order of the recipes; where runs are tracked is left out.
    """
    keys = [key for key in merged([list(run.recipe) for run in runs]) if not _is_apart(key)]
    found = {key: [run.recipe.get(key) for run in runs] for key in keys}
    return {key: values for key, values in found.items() if any(value != values[0] for value in values)}


def merged(orders: Sequence[Sequence[str]]) -> list[str]:
    """Return all keys of several lists, each new one after the one that it follows in its own list."""
    found: list[str] = []
    for order in orders:
        at = 0
        for key in order:
            if key in found:
                at = found.index(key) + 1
            else:
                found.insert(at, key)
                at += 1
    tables = list(dict.fromkeys(_table(key) for key in found))
    return sorted(found, key=lambda key: tables.index(_table(key)))  # a stable sort: within a table nothing moves


def _table(key: str) -> str:
    """Return the table that a key is told with, such as game.discriminator."""
    steps = key.split(".")
    return ".".join(steps[: min(2, len(steps) - 1)])


def _is_apart(key: str) -> bool:
    return key.startswith(f"{OF_NO_CONSEQUENCE}.")


def grouped(runs: Sequence[Run]) -> list[list[Run]]:
    """Put runs together that differ by their seed alone, in the order in which they come.

    A seed that was played twice by the same rules tells nothing about chance: the second run is in a group of its own.
    """
    found: list[list[Run]] = []
    for run in runs:
        fitting = [group for group in found if group[0].rules == run.rules]
        free = [group for group in fitting if all(other.seed != run.seed for other in group)]
        if free:
            free[0].append(run)
        else:
            found.append([run])
    return [sorted(group, key=lambda run: run.seed) for group in found]


def counted(group: Sequence[Run]) -> list[Run]:
    """Return those runs of a group that means are taken over: the finished ones, or all where none is."""
    return [run for run in group if run.status == "finished"] or list(group)


def mean_of(values: Sequence[float]) -> Mean:
    """Return the mean of at least one value."""
    return Mean(statistics.fmean(values), spread(values), len(values))


def names_of(runs: Sequence[Run]) -> Iterator[str]:
    """Yield a short name for each run: its folder's, with the folders above it where two have the same."""
    short = [run.folder.resolve().name for run in runs]
    for run, name in zip(runs, short, strict=True):
        yield name if short.count(name) == 1 else str(run.folder)
