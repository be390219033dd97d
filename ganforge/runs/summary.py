"""Summary of a run, as its folder tells it: what comparisons set side by side."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ganforge.api.plan import Direction
from ganforge.evaluation.receipts import differing
from ganforge.plugins.catalogue import Catalogue
from ganforge.recipes.parsing import read_table
from ganforge.runs.replay import RunReplay, replay_run
from ganforge.storage.layout import RunLayout
from ganforge.tracking import read_log
from ganforge.tracking.reading import flatten

SPEED = "speed/images_per_second"
IRRELEVANT = "tracking."  # what the keys of a recipe begin with that decide nothing about a result


@dataclass(frozen=True)
class MetricReading:
    """A value of a metric, NaN where it was not finite; the images shown then; its receipt where one was written."""

    value: float
    images: int
    receipt: Mapping[str, Any] | None

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON takes it: a value that is not finite becomes null."""
        return {**asdict(self), "value": self.value if math.isfinite(self.value) else None}


@dataclass(frozen=True)
class RunSummary:
    """What a run came to, finished or not.

    Args:
        folder: of the run.
        replay: of its log: images shown, findings, notices, and what `run.json` says.
        recipe: every entry by its dotted key, but for where the run is tracked.
        final: the newest value of each metric.
        best: the best value of each metric that has a better.
        evaluated: what was saved of the newest evaluation afterwards with each metric: the mean over its seeds.
        better: which way, by the name of a value.
        grid: the newest picture of fixed latents.
        speed: images per second, the median of its log; None where nothing was logged.
    """

    folder: Path
    replay: RunReplay
    recipe: Mapping[str, Any]
    final: Mapping[str, MetricReading]
    best: Mapping[str, MetricReading]
    evaluated: Mapping[str, MetricReading]
    better: Mapping[str, Direction]
    grid: Path | None
    speed: float | None

    @property
    def images(self) -> int:
        """Images shown, as far as the log tells."""
        return self.replay.images

    @property
    def status(self) -> str:
        """How it ended, or that it is running."""
        return str(self.replay.run.get("status", "unknown"))

    @property
    def seed(self) -> int:
        """Its recipe's seed."""
        return int(self.recipe.get("seed", 0))

    @property
    def seconds(self) -> float | None:
        """How long it took from its start to its end, or to now; None where it was interrupted, or nobody knows."""
        start, end = self.replay.run.get("start"), self.replay.run.get("end")
        if start is None or self.replay.run.get("resumed") is not None:
            return None
        return max(0.0, float((time.time() if self.status == "running" else end or start) - start))  # clocks go back

    def to_json(self) -> dict[str, Any]:
        """Return what a comparison tells of it, as JSON takes it; its recipe is left out."""
        return {
            "folder": str(self.folder),
            "status": self.status,
            "reason": self.replay.run.get("reason"),
            "seed": self.seed,
            "images": self.images,
            "seconds": self.seconds,
            "images_per_second": self.speed,
            "device": self.replay.run.get("device"),
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
            "findings": [
                {
                    "name": case.finding.name,
                    "images": case.first,
                    "failure": case.finding.severity == "failure",
                    "holds": case.holds,
                }
                for case in self.replay.cases
            ],
            "grid": None if self.grid is None else str(self.grid),
            "notices": list(self.replay.notices),
        }


def summarise_run(folder: Path, catalogue: Catalogue) -> RunSummary:
    """Read a run, finished or not.

    Raises:
        RecipeError: the folder holds no run.
    """
    replay, layout = replay_run(folder, catalogue), RunLayout(folder)
    recipe = {key: value for key, value in flatten(read_table(layout.recipe)) if not key.startswith(IRRELEVANT)}
    receipts = {  # of the newest line that has the value: of one that was undone nothing stays
        (line["images"], name): (line.get("receipts") or {}).get(name)
        for line in replay.log
        for name in line["values"]
        if "/" not in name
    }
    final: dict[str, MetricReading] = {}
    best: dict[str, MetricReading] = {}
    for name in replay.metric_names:
        told = zip(*replay.values(name), strict=True)
        readings = [MetricReading(value, images, receipts[images, name]) for images, value in told]
        final[name] = readings[-1]
        index = replay.best_line(name)
        if index is not None:
            best[name] = readings[index]
    afterwards = read_log(layout.evaluations)
    better: dict[str, Direction] = {}
    for line in reversed(afterwards):
        better |= line.get("better") or {}
    better |= {name: way for name in final if (way := replay.plan.direction(name)) is not None}
    speeds = [value for value in replay.values(SPEED)[1] if value > 0]
    grid = next(reversed(layout.all_grids()), None)
    speed = statistics.median(speeds) if speeds else None
    return RunSummary(folder, replay, recipe, final, best, _evaluated(afterwards), better, grid, speed)


def _evaluated(lines: Sequence[Mapping[str, Any]]) -> dict[str, MetricReading]:
    """Return the newest value of each name: the mean over the seeds that it was measured with in the same way."""
    found = {}
    for name in dict.fromkeys(name for line in lines for name in line["values"]):
        told: list[tuple[int | None, MetricReading]] = []
        for line in lines:
            if name in line["values"]:
                value, receipt = line["values"][name], (line.get("receipts") or {}).get(name)
                number = math.nan if value is None else float(value)
                told.append((line.get("seed"), MetricReading(number, line["images"], receipt)))
        newest = told[-1][1]
        alike = {
            seed: reading.value
            for seed, reading in told
            if reading.images == newest.images and not differing(reading.receipt or {}, newest.receipt or {})
        }
        found[name] = replace(newest, value=statistics.fmean(alike.values()))
    return found
