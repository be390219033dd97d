"""Precision and recall: counted by hand, against all distances in float64, and what may carry the paper's names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from support.examinations import ArraySource, ConstantGame, MeanColours, exam_of, looked_at, measured, noise
from support.features import Colours, Random

from ganforge.api.metric import FeatureOutput
from ganforge.builtin.features.vgg16 import Vgg16
from ganforge.builtin.metrics.precision_recall import PrecisionRecall
from ganforge.errors import DataError, GanforgeError
from ganforge.evaluation.examination import Examination


def metric(**fields: object) -> PrecisionRecall:
    return PrecisionRecall.model_validate({"features": Random(), "samples": 60, **fields})


def exam(fake: np.ndarray, real: np.ndarray, cache: Path) -> Examination:
    return exam_of(ConstantGame(torch.from_numpy(fake).float() / 127.5 - 1), ArraySource(real), cache)


def inside(points: np.ndarray, centres: np.ndarray, k: int) -> float:
    """Kynkäänniemi et al. 2019, eq. 1 and 2: the share of points in any centre's ball up to its k-th neighbour."""
    among = np.sqrt(((centres[:, None] - centres[None]) ** 2).sum(-1))
    radius = np.sort(among, axis=1)[:, k]  # the 0th is itself
    away = np.sqrt(((points[:, None] - centres[None]) ** 2).sum(-1))
    return float((away <= radius).any(1).mean())


@pytest.mark.parametrize("neighbours", [1, 3, 6])
def test_values_are_those_of_all_distances(neighbours: int, tmp_path: Path) -> None:
    looked = exam(noise(60, 3, 8, 8, seed=1), (noise(50, 3, 8, 8) * 0.9).astype(np.uint8), tmp_path)
    view = FeatureOutput(Random())
    fake, real = (looked_at(looked, n, of, view).double().numpy() for n, of in ((60, "generated"), (50, "real")))
    precision, recall = inside(fake, real, neighbours), inside(real, fake, neighbours)
    found = measured(metric(neighbours=neighbours), looked).values
    assert 0 < precision < 1 or 0 < recall < 1
    harmonic = 2 * precision * recall / max(precision + recall, 1e-5)
    assert list(found.values()) == pytest.approx([precision, recall, harmonic], rel=1e-6)


def grey(*levels: int) -> np.ndarray:
    return np.repeat(np.array(levels, np.uint8), 3).reshape(-1, 3, 1, 1)


def test_values_counted_by_hand(tmp_path: Path) -> None:
    # Balls up to the nearest neighbour around 0, 10, 100, 110 reach 10 far: 5 and 120 are inside, 60 and 200 are not.
    # Balls around 5, 60, 120, 200 reach 55, 55, 60, 80 far: all real ones are inside.
    found = measured(metric(features=Colours(), samples=4, neighbours=1),
                     exam(grey(5, 60, 120, 200), grey(0, 10, 100, 110), tmp_path)).values  # fmt: skip
    assert found == pytest.approx(
        {"precision-mean-colours-1nn": 0.5, "recall-mean-colours-1nn": 1, "f-score-mean-colours-1nn": 2 / 3}
    )


def test_one_image_again_and_again_is_precise_and_recalls_little(tmp_path: Path) -> None:
    real = grey(*range(0, 240, 4))
    found = measured(metric(features=Colours()), exam(grey(*[120] * 60), real, tmp_path)).values
    assert found["precision-mean-colours"] == 1
    assert found["recall-mean-colours"] == pytest.approx(1 / 60)
    assert metric(features=Colours()).directions() == dict.fromkeys(found, "higher")


def test_only_the_papers_choices_carry_its_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert list(PrecisionRecall().directions()) == ["precision", "recall", "f-score"]
    assert list(PrecisionRecall(neighbours=5).directions()) == [
        "precision-vgg16-5nn",
        "recall-vgg16-5nn",
        "f-score-vgg16-5nn",
    ]
    assert next(iter(metric().directions())) == "precision-random-features"
    monkeypatch.setattr(Vgg16, "build", lambda self: MeanColours())
    found = measured(PrecisionRecall(samples=60), exam(noise(60, 3, 8, 8), noise(60, 3, 8, 8), tmp_path))
    assert "not the published ones" in str(found.receipt["warning"])


def test_the_receipt_is_complete_and_as_many_real_samples_are_taken(tmp_path: Path) -> None:
    receipt = measured(metric(), exam(noise(60, 3, 8, 8), noise(90, 3, 8, 8), tmp_path)).receipt
    expected = {"features": "random-features", "weights-sha256": "1" * 64, "resizer": "none",
                "reference": "reference-1", "fake": 60, "real": 60, "neighbours": 3,
                "seed": 5, "truncation": 1.0, "ema": True}  # fmt: skip
    assert expected.items() <= receipt.items()
    assert {"dtype", "ganforge", "torch", "torch-fidelity"} <= receipt.keys()
    assert "60 samples are fewer than 10,000" in str(receipt["warning"])


def test_too_many_neighbours_are_refused_with_as_many_as_there_can_be(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="neighbours = 60, and each of 60 samples has 59"):
        metric(neighbours=60)
    with pytest.raises(DataError, match="the data have 5; set its neighbours = 4 or less"):
        metric(neighbours=5).requests(ArraySource(noise(5, 3, 8, 8)))
    few = exam(noise(60, 3, 8, 8), noise(90, 3, 8, 8), tmp_path)
    few.subject.most = 4
    with pytest.raises(GanforgeError, match="there are 4 samples; set its neighbours = 3 or less"):
        measured(metric(neighbours=4), few)
