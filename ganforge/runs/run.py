"""Runs that were played, as their folders tell of them."""

from __future__ import annotations

import json
import math
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ganforge.api.plan import Direction
from ganforge.errors import RecipeError
from ganforge.evaluation.receipts import differing
from ganforge.plugins.catalogue import Catalogue
from ganforge.recipes.parsing import read_table
from ganforge.runs.replay import replay_run
from ganforge.storage.layout import RunLayout
from ganforge.storage.lookup import explain_no_run
from ganforge.tracking import read_log
from ganforge.tracking.reading import flatten

SPEED = "speed/images_per_second"
IRRELEVANT_TABLE = "tracking"  # the table of a recipe that decides nothing about a result
SEED = "seed"


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

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON takes it: a value that is not finite becomes null."""
        return {**asdict(self), "value": self.value if math.isfinite(self.value) else None}


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
        run_json: what `run.json` says.
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
    run_json: Mapping[str, Any]
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
        return str(self.run_json.get("status", "unknown"))

    @property
    def seed(self) -> int:
        """Its recipe's seed."""
        return int(self.recipe.get(SEED, 0))

    @property
    def seconds(self) -> float | None:
        """How long it took from its start to its end, or to now; None where it was interrupted, or nobody knows."""
        start, end = self.run_json.get("start"), self.run_json.get("end")
        if start is None or self.run_json.get("resumed") is not None:
            return None
        return max(0.0, float((time.time() if self.status == "running" else end or start) - start))  # clocks go back

    @property
    def rules(self) -> str:
        """What all seeds of one recipe share."""
        played = {key: entry for key, entry in self.recipe.items() if key != SEED and not is_irrelevant_key(key)}
        return json.dumps(played, sort_keys=True, default=str)

    def to_json(self) -> dict[str, Any]:
        """Return what a comparison tells of it, as JSON takes it; its recipe is left out."""
        return {
            "folder": str(self.folder),
            "status": self.status,
            "reason": self.run_json.get("reason"),
            "seed": self.seed,
            "images": self.images,
            "seconds": self.seconds,
            "images_per_second": self.speed,
            "device": self.run_json.get("device"),
            "metrics": {
                name: {
                    "better": self.better.get(name),
                    "final": final.to_json(),
                    "best": self.best[name].to_json() if name in self.best else None,
                }
                for name, final in self.final.items()
            },
            "evaluated": {
                name: {"better": self.better.get(name), **reading.to_json()} for name, reading in self.evaluated.items()
            },
            "findings": [asdict(finding) for finding in self.findings],
            "grid": None if self.grid is None else str(self.grid),
            "notices": list(self.notices),
        }


def read_run(folder: Path, catalogue: Catalogue) -> Run:
    """Read a run, finished or not.

    Raises:
        RecipeError: the folder holds no run.
    """
    layout = RunLayout(folder)
    if not layout.recipe.is_file():
        raise RecipeError(explain_no_run(folder))
    record = replay_run(folder, catalogue)
    recipe = dict(flatten(read_table(layout.recipe)))
    log = record.panel.lines
    names = dict.fromkeys(name for line in log for name in line.values if "/" not in name)
    receipts = {  # of the newest line that has the value: of one that was undone nothing stays
        (line["images"], name): (line.get("receipts") or {}).get(name)
        for line in record.log
        for name in names.keys() & line["values"].keys()
    }
    better = {name: way for name in names if (way := record.plan.direction(name)) is not None}
    final: dict[str, MetricReading] = {}
    best: dict[str, MetricReading] = {}
    for name in names:
        told = [(line.values[name], line.images) for line in log if name in line.values]
        values = [MetricReading(value, images, receipts[images, name]) for value, images in told]
        final[name] = values[-1]
        finite = [measured for measured in values if math.isfinite(measured.value)]
        if name in better and finite:
            sign = 1 if better[name] == "lower" else -1
            best[name] = min(finite, key=lambda measured: sign * measured.value)
    afterwards = read_log(layout.evaluations)
    for line in afterwards:
        better |= {name: way for name, way in (line.get("better") or {}).items() if name not in better}
    speeds = [value for line in log if (value := line.get(SPEED))]
    grids = layout.all_grids()
    findings = tuple(
        RunFinding(case.finding.name, case.first, case.finding.severity == "failure", case.holds)
        for case in record.cases
    )
    return Run(
        folder,
        record.run,
        recipe,
        record.images,
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
        alike = {seed: measured.value for seed, measured in told if _measured_alike(measured, newest)}
        found[name] = replace(newest, value=statistics.fmean(alike.values()))
    return found


def _measured_alike(one: MetricReading, other: MetricReading) -> bool:
    return one.images == other.images and not differing(one.receipt or {}, other.receipt or {})


def is_irrelevant_key(key: str) -> bool:
    """Whether a key of a recipe decides nothing about a result."""
    return key.startswith(f"{IRRELEVANT_TABLE}.")
