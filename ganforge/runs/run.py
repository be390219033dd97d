"""Runs that were played, as their folders tell of them."""

from __future__ import annotations

import json
import math
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ganforge.api.plan import Direction
from ganforge.errors import RecipeError
from ganforge.evaluation.receipts import differing
from ganforge.plugins.catalogue import Catalogue
from ganforge.recipes.parsing import read_table
from ganforge.runs.replay import replay_run
from ganforge.storage.lookup import RECIPE, explain_no_run
from ganforge.tracking import read_log

SPEED = "speed/images_per_second"
OF_NO_CONSEQUENCE = "tracking"  # the table of a recipe that decides nothing about a result
SEED = "seed"
EVALUATIONS = "evaluations.jsonl"  # what `ganforge evaluate` appended


@dataclass(frozen=True)
class MetricReading:
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
class RunFinding:
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
        evaluated: what was saved of the newest evaluation afterwards with each metric: the mean over its seeds.
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
    final: Mapping[str, MetricReading]
    best: Mapping[str, MetricReading]
    evaluated: Mapping[str, MetricReading]
    better: Mapping[str, Direction]
    findings: tuple[RunFinding, ...]
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
        return max(0.0, float((time.time() if self.status == "running" else end or start) - start))  # clocks go back

    @property
    def rules(self) -> str:
        """What all seeds of one recipe share."""
        played = {key: entry for key, entry in self.recipe.items() if key != SEED and not is_irrelevant_key(key)}
        return json.dumps(played, sort_keys=True, default=str)


def read_run(folder: Path, catalogue: Catalogue) -> Run:
    """Read a run, finished or not.

    Raises:
        RecipeError: the folder holds no run.
    """
    if not (folder / RECIPE).is_file():
        raise RecipeError(explain_no_run(folder))
    record = replay_run(folder, catalogue)
    recipe = flatten_recipe(read_table(folder / RECIPE))
    log = _without_undone(read_log(folder / "metrics.jsonl"))
    names = dict.fromkeys(name for line in log for name in line["values"] if "/" not in name)
    better = {name: way for name in names if (way := record.plan.direction(name)) is not None}
    final: dict[str, MetricReading] = {}
    best: dict[str, MetricReading] = {}
    for name in names:
        values = [_measured(name, line) for line in log if name in line["values"]]
        final[name] = values[-1]
        finite = [measured for measured in values if math.isfinite(measured.value)]
        if name in better and finite:
            sign = 1 if better[name] == "lower" else -1
            best[name] = min(finite, key=lambda measured: sign * measured.value)
    afterwards = read_log(folder / EVALUATIONS)
    for line in afterwards:
        better |= {name: way for name, way in (line.get("better") or {}).items() if name not in better}
    speeds = [value for line in log if (value := line["values"].get(SPEED))]
    grids = sorted((folder / "grids").glob("images-*.png"))
    findings = tuple(
        RunFinding(case.finding.name, case.first, case.finding.severity == "failure", case.holds)
        for case in record.cases
    )
    return Run(
        folder,
        record.run,
        recipe,
        max((int(line["images"]) for line in log), default=0),
        final,
        best,
        _evaluated(afterwards),
        better,
        findings,
        grids[-1] if grids else None,
        statistics.median(speeds) if speeds else None,
        record.notices,
    )


def _measured(name: str, line: Mapping[str, Any]) -> MetricReading:
    value = line["values"][name]
    return MetricReading(
        math.nan if value is None else float(value), int(line["images"]), (line.get("receipts") or {}).get(name)
    )


def _evaluated(lines: Sequence[Mapping[str, Any]]) -> dict[str, MetricReading]:
    """Return the newest value of each name: the mean over the seeds that it was measured with in the same way."""
    found = {}
    for name in dict.fromkeys(name for line in lines for name in line["values"]):
        told = [(line.get(SEED), _measured(name, line)) for line in lines if name in line["values"]]
        newest = told[-1][1]
        alike = {seed: measured.value for seed, measured in told if _same_way(measured, newest)}
        found[name] = replace(newest, value=statistics.fmean(alike.values()))
    return found


def _same_way(one: MetricReading, other: MetricReading) -> bool:
    return one.images == other.images and not differing(one.receipt or {}, other.receipt or {})


def _without_undone(log: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the lines of a log without those that a roll-back has undone."""
    kept: list[Mapping[str, Any]] = []
    for line in log:
        while kept and kept[-1]["images"] > line["images"]:
            kept.pop()
        kept.append(line)
    return kept


def flatten_recipe(table: Mapping[str, Any], path: str = "") -> dict[str, Any]:
    """Return every entry of a recipe by its dotted key, tables in arrays by their index."""
    found: dict[str, Any] = {}
    for key, entry in table.items():
        place = f"{path}.{key}" if path else str(key)
        if isinstance(entry, Mapping):
            found |= flatten_recipe(entry, place)
        elif isinstance(entry, list) and entry and all(isinstance(item, Mapping) for item in entry):
            found |= flatten_recipe({str(index): item for index, item in enumerate(entry)}, place)
        else:
            found[place] = entry
    return found


def is_irrelevant_key(key: str) -> bool:
    """Whether a key of a recipe decides nothing about a result."""
    return key.startswith(f"{OF_NO_CONSEQUENCE}.")
