"""Evaluation after training: what is asked for, and what was measured."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from ganforge.api.families import Dataset, Metric
from ganforge.errors import GanforgeError, RecipeError, argument
from ganforge.evaluation.evaluate import MetricValue
from ganforge.recipes.fragments import Fragment
from ganforge.storage.layout import RunLayout
from ganforge.tracking.jsonl import JsonlFile


@dataclass(frozen=True)
class EvaluationRequest:
    """What is to be measured, and how, whoever's samples.

    Args:
        metrics: kinds, tables or components; none = those of the run's recipe, or those usual for such samples.
        samples: generated samples, for all metrics; None = as each metric says; so `real` samples and `features`.
        against: what samples are compared with: a folder or ZIP of images, a kind of data set, a table or a component;
            None = the recipe's reference, or its data.
        resolution: that files of images are cut and resized to; None = their own.
        seed: decides which samples are drawn; None = the recipe's.
        repeat: with so many seeds, from `seed` on.

    Raises:
        RecipeError: a number is out of range.
    """

    metrics: Sequence[Fragment | Metric] = ()
    samples: int | None = None
    real: int | None = None
    features: Fragment | None = None
    against: Fragment | Dataset | None = None
    resolution: int | None = None
    seed: int | None = None
    repeat: int = 1

    def __post_init__(self) -> None:
        for given, lowest, spoken in (
            (self.samples, 1, argument("samples", self.samples)),
            (self.real, 1, argument("real", self.real)),
            (self.resolution, 1, argument("resolution", self.resolution)),
            (self.seed, 0, argument("seed", self.seed)),
            (self.repeat, 1, argument("repeat", self.repeat)),
        ):
            if given is not None and given < lowest:
                raise RecipeError(f"{spoken} is out of range: expected {lowest} or more")

    def seeds(self, usual: int) -> tuple[int, ...]:
        """Return the seeds that samples are drawn with."""
        first = usual if self.seed is None else self.seed
        return tuple(range(first, first + self.repeat))


@dataclass(frozen=True)
class EvaluatedSamples:
    """What was measured of one checkpoint, or of one set of files, in the order in which it was asked for."""

    name: str  # of the column: images shown, or "value"
    images: int | None  # shown when the checkpoint was saved; None for files
    values: tuple[MetricValue, ...]


@dataclass(frozen=True)
class Evaluation:
    """All that was measured: of whose samples, against which, with which seeds, and a column for each checkpoint."""

    samples: str
    reference: str
    seeds: tuple[int, ...]
    columns: tuple[EvaluatedSamples, ...]

    def __getitem__(self, name: str) -> MetricValue:
        """Return a value of the first checkpoint by its name; a KeyError names those that there are."""
        known = {value.name: value for value in self.columns[0].values}
        if name not in known:
            raise KeyError(f"no value is called '{name}'; there are: {', '.join(known)}")
        return known[name]

    def __iter__(self) -> Iterator[str]:
        """Yield the names of the first checkpoint's values, as a mapping does."""
        return (value.name for value in self.columns[0].values)

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON takes it: what is not finite becomes null."""
        return {
            "samples": self.samples,
            "reference": self.reference,
            "seeds": list(self.seeds),
            "results": [
                {
                    "images": column.images,
                    "metric": value.metric,
                    "name": value.name,
                    "better": value.better,
                    "values": [_finite(single) for single in value.values],
                    "mean": _finite(value.mean),
                    "std": _finite(value.std),
                    "receipt": dict(value.receipt),
                }
                for column in self.columns
                for value in column.values
            ],
        }

    def save(self, run: Path) -> Path:
        """Append a line for each checkpoint and seed beside a run's log, for comparisons; return the file.

        Raises:
            GanforgeError: it cannot be written.
        """
        place = RunLayout(run).evaluations
        log = JsonlFile(place)
        for column, (index, seed) in product(self.columns, enumerate(self.seeds)):
            line: dict[str, Any] = {"images": column.images, "time": time.time(), "seed": seed}
            line["values"] = {value.name: value.values[index] for value in column.values}
            line["better"] = {value.name: value.better for value in column.values if value.better is not None}
            line["receipts"] = {value.name: value.receipts[index] for value in column.values}
            log.append(line)
        log.close()
        if log.problem:
            raise GanforgeError(log.problem)
        return place


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
