"""Fragments of a recipe that stand alone: a metric, data or features, by a kind, a table or a component."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from ganforge.api.component import Component, Strict, classes_of
from ganforge.api.data import Source
from ganforge.api.families import Dataset, Features, Metric
from ganforge.api.slots import AnyDataset, AnyFeatures, AnyMetric
from ganforge.errors import OnLeftOut, RecipeError, argument, leaving_out
from ganforge.plugins.catalogue import Catalogue
from ganforge.recipes.explain import RecipeSources, validate
from ganforge.recipes.parsing import parse_text

_MENTIONS: Mapping[str, Callable[[object], str]] = {  # how messages name what metrics are changed by
    "samples": lambda value: argument("samples", value),
    "real": lambda value: argument("real", value),
    "features": lambda value: argument("features", value),
}


class _Fragments(Strict):
    metric: AnyMetric | None = None
    data: AnyDataset | None = None
    features: AnyFeatures | None = None


Fragment = str | Mapping[str, Any]  # a kind, a table as text of TOML, or a table


def read_metric(entry: Fragment | Metric, catalogue: Catalogue) -> Metric:
    """Read a metric: a kind, a table such as `{kind = "fid", samples = 5000}`, or the component itself.

    Raises:
        RecipeError: there is no such kind, or a field is wrong.
    """
    found = _read(entry, "metric", argument("metrics", entry), catalogue).metric
    assert found is not None
    return found


def read_data(entry: Fragment | Dataset, catalogue: Catalogue) -> Dataset:
    """Read a data set; see `read_metric`."""
    found = _read(entry, "data", argument("against", entry), catalogue).data
    assert found is not None
    return found


def read_features(entry: Fragment | Features, catalogue: Catalogue) -> Features:
    """Read features; see `read_metric`."""
    found = _read(entry, "features", argument("features", entry), catalogue).features
    assert found is not None
    return found


def _read(entry: Fragment | Component, key: str, name: str, catalogue: Catalogue) -> _Fragments:
    if isinstance(entry, str) and entry.lstrip().startswith("{"):
        entry = parse_text(f"{key} = {entry}", name)[key]
    raw = {key: dict(entry) if isinstance(entry, Mapping) else entry}
    return validate(_Fragments, raw, catalogue, RecipeSources(name, {}))


def usual_metrics(source: Source, catalogue: Catalogue) -> tuple[Metric, ...]:
    """Return what is measured when nobody says what: what fits the samples, of what is installed."""
    known = classes_of(catalogue, Metric)
    usual = sorted((cls for cls in known.values() if cls.is_usual(source)), key=lambda cls: cls.rank)
    if not usual:
        raise RecipeError(
            f"no metric is measured on samples of shape {list(source.spec.shape)} unless it is named; name one with "
            f"{argument('metrics')} (installed: {', '.join(sorted(known))})"
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
            raise RecipeError(
                f"{_MENTIONS[name](None)}: none of the metrics {kinds} has a field '{name}'; leave it out"
            )
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
        given = " ".join(_MENTIONS[name](_said(fitting[name])) for name in names if name in fitting)
        fault = first["msg"].removeprefix("Value error, ")
        raise RecipeError(
            f"{given}: {metric.kind}: {fault}; all its fields can be set in a table: "
            + argument("metrics", f"'{{kind = \"{metric.kind}\", ...}}'")
        ) from error


def _said(value: Any) -> str:
    return value.kind if isinstance(value, Component) else str(value)
