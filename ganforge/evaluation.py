"""Metrics after the fact: of any weights of a run, or of any images."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from ganforge.catalogue import Catalogue
from ganforge.component import Component, Strict
from ganforge.data import KnownModes, Source
from ganforge.errors import GanforgeError, RecipeError
from ganforge.exam import Examination
from ganforge.families import Better, Metric
from ganforge.metric import Receipt, Side
from ganforge.recipe_errors import Sources, explain
from ganforge.recipe_file import parse_text
from ganforge.slots import AnyDataset, AnyFeatures, AnyMetric
from ganforge.subject import Networks, Subject

OF_IMAGES = ("fid", "kid", "precision-recall", "density-coverage", "pixel-variance")  # measured when nobody says what
OF_POINTS = ("mode-coverage",)
Spare = Callable[[str], None]  # is told why a metric is left out
_OPTIONS = {"metric": "--metric", "data": "--against", "features": "--features"}


@dataclass(frozen=True)
class Value:
    """A named value, once for each seed.

    Args:
        name: of the value.
        metric: kind of the metric that told it.
        better: which way.
        seeds: that the samples were drawn with.
        values: one for each seed.
        receipts: of each.
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
        return spread(self.values)


def spread(values: Sequence[float]) -> float | None:
    """Return the standard deviation of a sample (n - 1); None for one value, NaN where a value is not finite."""
    if len(values) < 2:
        return None
    return statistics.stdev(values) if all(map(math.isfinite, values)) else math.nan


class _Metric(Strict):
    metric: AnyMetric


class _Data(Strict):
    data: AnyDataset


class _Features(Strict):
    features: AnyFeatures


def read_metric(text: str, catalogue: Catalogue) -> Metric:
    """Read a metric from the command line: a kind, or a TOML table such as `{kind = "fid", samples = 5000}`.

    Raises:
        RecipeError: there is no such kind, or a field is wrong.
    """
    found = _read(text, "metric", _Metric, catalogue)
    assert isinstance(found, _Metric)
    return found.metric


def read_data(text: str, catalogue: Catalogue) -> AnyDataset:
    """Read a data set from the command line: a kind, or a TOML table with a kind. Raises as `read_metric`."""
    found = _read(text, "data", _Data, catalogue)
    assert isinstance(found, _Data)
    return found.data


def read_features(text: str, catalogue: Catalogue) -> AnyFeatures:
    """Read features from the command line: a kind, or a TOML table with a kind. Raises as `read_metric`."""
    found = _read(text, "features", _Features, catalogue)
    assert isinstance(found, _Features)
    return found.features


def _read(text: str, key: str, shape: type[Strict], catalogue: Catalogue) -> Strict:
    name = f"{_OPTIONS[key]} {text}"
    entry = parse_text(f"{key} = {text}", name)[key] if text.lstrip().startswith("{") else text
    raw = {key: entry}
    found, error = None, None
    try:
        found = shape.model_validate(raw, context={"catalogue": catalogue})
    except ValidationError as wrong:
        error = wrong
    said = explain(error, raw, shape, catalogue, Sources(name, {}))
    if said is not None or found is None:
        raise RecipeError(said or str(error)) from error
    return found


def usual_metrics(source: Source, catalogue: Catalogue) -> tuple[Metric, ...]:
    """Return what is measured when nobody says what: what fits the samples, of what is installed."""
    known = catalogue.family("metrics")
    wanted = OF_IMAGES if len(source.spec.shape) == 3 else OF_POINTS if isinstance(source, KnownModes) else ()
    adapter = TypeAdapter(tuple[AnyMetric, ...])
    kinds = [kind for kind in wanted if kind in known]
    if not kinds:
        raise RecipeError(
            f"no metric is measured on samples of shape {list(source.spec.shape)} unless it is named; name one with "
            f"--metric (installed: {', '.join(sorted(known))})"
        )
    return tuple(adapter.validate_python(kinds, context={"catalogue": catalogue}))


def adjusted(
    metrics: Sequence[Metric], catalogue: Catalogue, spare: Spare | None = None, **changes: Any
) -> tuple[Metric, ...]:
    """Return metrics with fields changed, in those that have such fields; None leaves a field as it is.

    Args:
        metrics: to change.
        catalogue: the installed components.
        spare: is told which metric cannot be so, and why: it is left out; None = that is an error.
        changes: by the name of a field.

    Raises:
        RecipeError: no metric has such a field, or the value is out of its bounds.
    """
    wanted = {name: value for name, value in changes.items() if value is not None}
    for name in wanted:
        if all(name not in type(metric).model_fields for metric in metrics):
            kinds = ", ".join(metric.kind for metric in metrics)
            raise RecipeError(f"--{name}: none of the metrics {kinds} has a field '{name}'; leave it out")
    found = []
    for metric in metrics:
        with _sparing(spare):
            found.append(_with(metric, wanted, catalogue))
    return tuple(found)


def _with(metric: Metric, wanted: Mapping[str, Any], catalogue: Catalogue) -> Metric:
    fitting = {name: value for name, value in wanted.items() if name in type(metric).model_fields}
    if not fitting:
        return metric
    said = {name: getattr(metric, name) for name in metric.model_fields_set}
    try:
        return type(metric).model_validate({**said, **fitting}, context={"catalogue": catalogue})
    except ValidationError as error:
        first = error.errors()[0]
        names = [str(first["loc"][0])] if first["loc"] else list(fitting)
        given = " ".join(f"--{name} {_said(fitting[name])}" for name in names if name in fitting)
        fault = first["msg"].removeprefix("Value error, ")
        raise RecipeError(
            f"{given}: {metric.kind}: {fault}; all its fields can be set in a table: "
            f"--metric '{{kind = \"{metric.kind}\", ...}}'"
        ) from error


def _said(value: Any) -> str:
    return value.kind if isinstance(value, Component) else str(value)


def examine(
    subject_of: Callable[[int], Subject],
    reference: Source,
    metrics: Sequence[Metric],
    seeds: Sequence[int],
    networks: Networks,
    cache: Path,
    *,
    more: Receipt | None = None,
    tell: Callable[[Side, int, int], None] | None = None,
    spare: Spare | None = None,
) -> list[Value]:
    """Measure metrics once for each seed, each time in one pass over the samples.

    Args:
        subject_of: whose samples, by the seed that they are drawn with.
        reference: real samples.
        metrics: what to measure.
        seeds: at least one.
        networks: feature networks, built once.
        cache: a folder for reference statistics.
        more: entries that are added to receipts.
        tell: is told whose samples are looked at, how many were, and how many will be.
        spare: is told which metric cannot be measured here, and why: it is left out; None = that is an error.

    Raises:
        GanforgeError: a metric cannot be measured here (its kind is named), or none can.
    """
    first = Examination(subject_of(seeds[0]), reference, networks.device, cache, seeds[0], networks=networks)
    possible: list[Metric] = []
    for metric in metrics:
        with _sparing(spare), _named(metric):
            first.try_out(metric.wants(reference))
            possible.append(metric)
    found: dict[tuple[int, str], list[tuple[float, Receipt]]] = {}
    for seed in seeds:
        exam = Examination(subject_of(seed), reference, networks.device, cache, seed, networks=networks, tell=tell)
        exam.take(want for metric in possible for want in metric.wants(reference))
        failed: list[Metric] = []
        for number, metric in enumerate(metrics):
            if all(metric is not other for other in possible):
                continue
            failed.append(metric)
            with _sparing(spare), _named(metric):
                measured = metric.measure(exam)
                receipt = {"metric": metric.kind, **measured.receipt, **(more or {})}
                for name, value in measured.values.items():
                    found.setdefault((number, name), []).append((float(value), receipt))
                failed.pop()
        possible = [metric for metric in possible if all(metric is not other for other in failed)]
    if not possible:
        raise RecipeError("none of the metrics can be measured here; name others with --metric")
    _check_names(found)
    return [
        Value(name, metrics[number].kind, metrics[number].tells().get(name), tuple(seeds), *zip(*told, strict=True))
        for (number, name), told in found.items()
        if any(metrics[number] is metric for metric in possible)
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
def _sparing(spare: Spare | None) -> Iterator[None]:
    """Tell what goes wrong inside and go on after it, where that is wanted."""
    try:
        yield
    except GanforgeError as error:
        if spare is None:
            raise
        spare(str(error))


@contextmanager
def _named(metric: Metric) -> Iterator[None]:
    """Name the metric in whatever goes wrong inside."""
    try:
        yield
    except GanforgeError as error:
        said = str(error)
        raise type(error)(said if said.startswith(metric.kind) else f"{metric.kind}: {said}") from error
