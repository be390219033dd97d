"""Classification accuracy score: good samples teach, wrong labels do not; the regression is scipy's optimum."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import scipy.optimize
import scipy.special
import torch
from support.examinations import ArraySource, exam_of, measured
from support.labelled import Labelled, LabelledGame
from torch import Tensor

from ganforge.api.data import Source
from ganforge.api.families import Dataset
from ganforge.api.metric import Measurement
from ganforge.api.network import Draw
from ganforge.builtin.features.pixels import Pixels
from ganforge.builtin.metrics.classification_accuracy_score import ClassificationAccuracyScore, accuracy
from ganforge.errors import DataError

SHAPE = (3, 4, 4)


def pictures(count: int, seed: int, turn: int = 0) -> np.ndarray:
    """Pictures of three patterns in turn, in noise."""
    patterns = np.random.default_rng(9).normal(size=(3, *SHAPE))
    rng = np.random.default_rng(seed)
    images = 128 + 20 * patterns[(np.arange(count) + turn) % 3] + 40 * rng.normal(size=(count, *SHAPE))
    return np.clip(images, 0, 255).astype(np.uint8)


class Apart(Dataset):
    """Pictures apart."""

    kind: Literal["apart"] = "apart"
    classes: int = 3

    def open(self, cache: Path) -> Source:
        return Labelled(pictures(300, 7), self.classes)


class OfOneClass(LabelledGame):
    """All its samples are of class 1."""

    def draw(self, count: int, labels: Tensor | None = None) -> Draw:
        return super().draw(count)._replace(labels=torch.ones(count, dtype=torch.long))


def found(fakes: np.ndarray, cache: Path, **fields: object) -> Measurement:
    metric = ClassificationAccuracyScore.model_validate({"features": Pixels(), "samples": len(fakes), **fields})
    game = LabelledGame(torch.from_numpy(fakes).float() / 127.5 - 1)
    return measured(metric, exam_of(game, Labelled(pictures(600, 0), 3), cache))


def test_fresh_samples_teach_what_real_ones_do(tmp_path: Path) -> None:
    measurement = found(pictures(480, 1), tmp_path)
    own, real = measurement.values["cas-pixels"], measurement.values["cas-pixels-of-real"]
    assert real > 0.8
    assert own == pytest.approx(real, abs=0.06)
    assert {"fake": 480, "real": 480, "tested": 120, "features": "pixels-32"}.items() <= measurement.receipt.items()
    assert "has seen" in str(measurement.receipt["test"])
    assert found(pictures(480, 1), tmp_path).values == measurement.values


def test_samples_that_are_not_of_their_class_teach_wrong_things(tmp_path: Path) -> None:
    assert found(pictures(480, 1, turn=1), tmp_path).values["cas-pixels"] < 0.15
    noise = np.random.default_rng(0).integers(0, 256, (480, *SHAPE), dtype=np.uint8)
    assert found(noise, tmp_path).values["cas-pixels"] < 0.6


def test_one_image_for_each_class_teaches_less(tmp_path: Path) -> None:
    collapsed = np.tile(pictures(3, 1), (160, 1, 1, 1))
    values = found(collapsed, tmp_path).values
    assert values["cas-pixels"] < values["cas-pixels-of-real"] - 0.1


def test_tests_can_be_named_and_both_learn_from_as_many(tmp_path: Path) -> None:
    receipt = found(pictures(90, 1), tmp_path, test=Apart()).receipt
    assert {"tested": 300, "real": 90, "fake": 90, "test": "labelled-3"}.items() <= receipt.items()
    with pytest.raises(DataError, match="it has 4 classes"):
        found(pictures(90, 1), tmp_path, test=Apart(classes=4))


def test_the_regression_is_the_optimum_that_scipy_finds() -> None:
    rng = np.random.default_rng(0)
    rows, labels = rng.normal(size=(60, 2)) * [1, 5] + 3, rng.integers(0, 2, 60)
    rows[labels == 1] += 1.5
    normal = (rows - rows.mean(0)) / rows.std(0)

    def loss(weights: np.ndarray) -> float:  # C times the log loss, and half the squared weights but the offset
        scores = normal @ weights[:2] + weights[2]
        return 0.1 * np.sum(np.logaddexp(0, scores) - labels * scores) + 0.5 * np.sum(weights[:2] ** 2)

    best = scipy.optimize.minimize(loss, np.zeros(3), tol=1e-10).x
    expected = np.mean((normal @ best[:2] + best[2] > 0) == labels)
    assert accuracy(rows, labels, rows, labels, 0.1) == (pytest.approx(expected, abs=1 / 60), True)
    dead = np.concatenate([rows, np.full((60, 1), 7.0)], 1)
    assert accuracy(dead, labels, dead, labels, 0.1) == accuracy(rows, labels, rows, labels, 0.1)


def test_what_cannot_be_learnt_is_refused(tmp_path: Path) -> None:
    metric = ClassificationAccuracyScore(features=Pixels())
    with pytest.raises(DataError, match="no classes"):
        metric.requests(ArraySource(pictures(9, 0)))
    exam = exam_of(OfOneClass(torch.zeros(3, *SHAPE)), Labelled(pictures(60, 0), 3), tmp_path)
    with pytest.raises(DataError, match="the generated samples are of fewer than two classes"):
        measured(metric, exam)
