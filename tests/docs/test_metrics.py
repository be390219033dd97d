"""The features and the metric that docs/metrics.md shows work as they stand there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from support.examinations import ArraySource, ConstantGame, exam_of, measured, noise
from support.paths import DOCS

PAGE = DOCS / "metrics.md"


def shown(name: str) -> dict[str, Any]:
    """What a block of the page defines."""
    found = re.search(rf"<!-- test: {name} -->\n```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert found is not None
    namespace: dict[str, Any] = {"__name__": f"shown_{name}"}
    exec(compile(found[1], f"{PAGE.name}: {name}", "exec", dont_inherit=True), namespace)
    return namespace


def test_what_the_page_shows_measures(tmp_path: Path) -> None:
    features, metric = shown("features"), shown("metric")
    assert features["ganforge_components"]() == [features["Colours"]]
    (cls,) = metric["ganforge_components"]()
    images = noise(70, 3, 4, 4) // 2
    brighter = ConstantGame((torch.from_numpy(images).float() + 51) / 127.5 - 1)  # by a fifth of the range
    exam = exam_of(brighter, ArraySource(images), tmp_path)
    found = measured(cls(features=features["Colours"](), samples=70), exam)
    assert found.values == {"mean-distance-colours": pytest.approx(0.2 * 3**0.5, rel=1e-5)}
    assert {"features": "colours", "fake": 70, "real": 70}.items() <= found.receipt.items()


def test_every_metric_and_every_kind_of_features_of_the_tables_is_there() -> None:
    from support.installed import catalogue

    rows = re.findall(r"^\| `([a-z0-9-]+)` \|", PAGE.read_text(), re.MULTILINE)
    known = {kind for family in ("metrics", "features") for kind in catalogue().family(family)}
    assert {"fid", "kid", "inception-score", "precision-recall", "inception", "vgg16", "clip", "dinov2"} <= set(rows)
    assert set(rows) - {"dtype", "warning"} <= known | {"efficientnet-lite0"}
