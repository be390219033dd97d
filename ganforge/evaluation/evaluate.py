"""Metrics after the fact: of any weights of a run, or of any images."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ganforge.api.data import Source
from ganforge.api.families import Better, Metric
from ganforge.api.metric import Receipt, Side
from ganforge.distributed.world import World
from ganforge.errors import GanforgeError, OnLeftOut, RecipeError, argument, leaving_out
from ganforge.evaluation.batch import FeatureNetworks
from ganforge.evaluation.examination import Examination
from ganforge.evaluation.subject import Subject


@dataclass(frozen=True)
class MetricValue:
    """A named value, once for each seed.

    Args:
        metric: kind of the metric that told it.
        better: which way.
        seeds: that the samples were drawn with.
    """

    name: str
    metric: str
    better: Better | None
    seeds: tuple[int, ...]
    values: tuple[float, ...]
    receipts: tuple[Receipt, ...]

    @property
    def receipt(self) -> Receipt:
        """The receipt of the first value."""
        return self.receipts[0]

    @property
    def mean(self) -> float:
        """The mean over seeds."""
        return statistics.fmean(self.values)

    @property
    def std(self) -> float | None:
        """The standard deviation of a sample (n - 1); None for one value."""
        return sample_std(self.values)


def sample_std(values: Sequence[float]) -> float | None:
    """Return the standard deviation of a sample (n - 1); None for one value, NaN where a value is not finite."""
    if len(values) < 2:
        return None
    return statistics.stdev(values) if all(map(math.isfinite, values)) else math.nan


def evaluate(
    subject_of: Callable[[int], Subject],
    reference: Source,
    metrics: Sequence[Metric],
    seeds: Sequence[int],
    networks: FeatureNetworks,
    cache: Path,
    *,
    more: Receipt | None = None,
    tell: Callable[[Side, int, int], None] | None = None,
    on_left_out: OnLeftOut | None = None,
    world: World | None = None,
) -> list[MetricValue]:
    """Measure metrics once for each seed, each time in one pass over the samples.

    Args:
        subject_of: whose samples, by the seed that they are drawn with.
        seeds: at least one.
        networks: feature networks, built once.
        cache: a folder for reference statistics.
        more: entries that are added to receipts.
        tell: is told whose samples are looked at, how many were, and how many will be.
        on_left_out: is told which metric cannot be measured here, and why: it is left out; None = that is an error.
        world: over which processes the work is spread; the main one has the values, the others return none.

    Raises:
        GanforgeError: a metric cannot be measured here (its kind is named), or none can.
    """
    world = world or World()
    first = Examination(subject_of(seeds[0]), reference, networks, cache, seeds[0])
    possible: dict[int, Metric] = {}  # by the number: two may be alike
    for number, metric in enumerate(metrics):
        with leaving_out(on_left_out), _named(metric):
            first.check(metric.requests(reference))
            possible[number] = metric
    found: dict[tuple[int, str], list[tuple[float, Receipt]]] = {}
    for seed in seeds:
        exam = Examination(subject_of(seed), reference, networks, cache, seed, tell=tell, world=world)
        exam.gather(want for metric in possible.values() for want in metric.requests(reference))
        for number, metric in list(possible.items()):
            done = False
            if world.main:
                with leaving_out(on_left_out), _named(metric):
                    measured = metric.measure(exam)
                    receipt = {"metric": metric.kind, **measured.receipt, **(more or {})}
                    for name, value in measured.values.items():
                        found.setdefault((number, name), []).append((float(value), receipt))
                    done = True
            if not world.broadcast(done):
                del possible[number]
    if not possible:
        raise RecipeError(f"none of the metrics can be measured here; name others with {argument('metrics')}")
    _check_names(found)
    return [
        MetricValue(
            name, metrics[number].kind, metrics[number].directions().get(name), tuple(seeds), *zip(*told, strict=True)
        )
        for (number, name), told in found.items()
        if number in possible
    ]


def _check_names(found: Iterable[tuple[int, str]]) -> None:
    names = [name for _, name in found]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise RecipeError(
            f"two of the metrics tell a value called {', '.join(twice)}; measure one after the other, so that no value "
            "hides another"
        )


@contextmanager
def _named(metric: Metric) -> Iterator[None]:
    """Name the metric in whatever goes wrong inside."""
    try:
        yield
    except GanforgeError as error:
        said = str(error)
        raise type(error)(said if said.startswith(metric.kind) else f"{metric.kind}: {said}") from error
