"""Runs side by side, as JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from ganforge.evaluation.receipts import comparable_groups, differing
from ganforge.runs.comparison import counted_runs, differences, group_seeds, mean_of
from ganforge.runs.run import MetricReading, Run


def content(runs: Sequence[Run]) -> dict[str, Any]:
    """Return all there is to tell, as JSON takes it."""
    names = list(dict.fromkeys(name for run in runs for name in run.final))
    return {
        "runs": [_run(run) for run in runs],
        "recipe": {
            key: {str(run.folder): value for run, value in zip(runs, values, strict=True)}
            for key, values in differences(runs).items()
        },
        "groups": [
            {
                "runs": [str(run.folder) for run in group],
                "seeds": [run.seed for run in group],
                "of": [str(run.folder) for run in counted_runs(group)],
                "metrics": {name: _means(counted_runs(group), name) for name in names},
            }
            for group in group_seeds(runs)
        ],
        "receipts_differ": {name: found for name in names if (found := _differ(runs, name))},
    }


def _run(run: Run) -> dict[str, Any]:
    return {
        "folder": str(run.folder),
        "status": run.status,
        "reason": run.run_json.get("reason"),
        "seed": run.seed,
        "images": run.images,
        "seconds": run.seconds,
        "images_per_second": run.speed,
        "device": run.run_json.get("device"),
        "metrics": {
            name: {
                "better": run.better.get(name),
                "final": _value(run.final[name]),
                "best": _value(run.best[name]) if name in run.best else None,
            }
            for name in run.final
        },
        "evaluated": {
            name: {"better": run.better.get(name), **_value(measured)} for name, measured in run.evaluated.items()
        },
        "findings": [asdict(finding) for finding in run.findings],
        "grid": None if run.grid is None else str(run.grid),
        "notices": list(run.notices),
    }


def _value(measured: MetricReading) -> dict[str, Any]:
    finite = math.isfinite(measured.value)
    return {"value": measured.value if finite else None, "images": measured.images, "receipt": measured.receipt}


def _means(group: Sequence[Run], name: str) -> dict[str, Any]:
    found = {}
    for kind, of in (("final", _final), ("best", _best)):
        values = [of(run)[name].value for run in group if name in of(run)]
        if values and all(map(math.isfinite, values)):
            found[kind] = asdict(mean_of(values))
    return found


def _differ(runs: Sequence[Run], name: str) -> list[dict[str, Any]]:
    """Say whose receipts differ from that of the most runs, and in what."""
    those = [run for run in runs if name in run.final]
    receipts = [run.final[name].receipt for run in those]
    kinds = comparable_groups(receipts)
    usual = next((receipt for receipt, kind in zip(receipts, kinds, strict=True) if kind == 0), None)
    return [
        {"run": str(run.folder), "in": "no receipt" if receipt is None or usual is None else differing(usual, receipt)}
        for run, receipt, kind in zip(those, receipts, kinds, strict=True)
        if kind != 0
    ]


def _final(run: Run) -> Mapping[str, MetricReading]:
    return run.final


def _best(run: Run) -> Mapping[str, MetricReading]:
    return run.best
