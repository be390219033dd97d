"""What a person wants to have measured, from the words of a command line to components."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from ganforge.api.component import Component, Strict, classes_of
from ganforge.api.data import Source
from ganforge.api.families import Metric
from ganforge.api.slots import AnyDataset, AnyFeatures, AnyMetric
from ganforge.errors import OnLeftOut, RecipeError, leaving_out
from ganforge.plugins.catalogue import Catalogue
from ganforge.recipes.explain import RecipeSources, explain
from ganforge.recipes.parsing import parse_text

_OPTIONS = {"metric": "--metric", "data": "--against", "features": "--features"}


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
    said = explain(error, raw, shape, catalogue, RecipeSources(name, {}))
    if said is not None or found is None:
        raise RecipeError(said or str(error)) from error
    return found


def usual_metrics(source: Source, catalogue: Catalogue) -> tuple[Metric, ...]:
    """Return what is measured when nobody says what: what fits the samples, of what is installed."""
    known = classes_of(catalogue, Metric)
    usual = sorted((cls for cls in known.values() if cls.is_usual(source)), key=lambda cls: cls.rank)
    if not usual:
        raise RecipeError(
            f"no metric is measured on samples of shape {list(source.spec.shape)} unless it is named; name one with "
            f"--metric (installed: {', '.join(sorted(known))})"
        )
    return tuple(cls.model_validate({}, context={"catalogue": catalogue}) for cls in usual)


def adjusted(
    metrics: Sequence[Metric], catalogue: Catalogue, on_left_out: OnLeftOut | None = None, **changes: Any
) -> tuple[Metric, ...]:
    """Return metrics with fields changed, in those that have such fields; None leaves a field as it is.

    Args:
        metrics: to change.
        catalogue: the installed components.
        on_left_out: is told which metric cannot be so, and why: it is left out; None = that is an error.
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
        with leaving_out(on_left_out):
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
