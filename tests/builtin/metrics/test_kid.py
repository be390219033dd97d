"""Kernel distance: against the unbiased estimator written out in float64, over torch-fidelity's subsets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from support.examinations import ArraySource, ConstantGame, DiceGame, MeanColours, exam_of, looked_at, measured, noise
from support.features import Random

from ganforge.api.metric import FeatureOutput
from ganforge.builtin.features.inception import Inception
from ganforge.builtin.metrics.kid import KernelDistance
from ganforge.errors import DataError, GanforgeError
from ganforge.evaluation.examination import Examination

VIEW = FeatureOutput(Random())


def metric(**fields: object) -> KernelDistance:
    return KernelDistance.model_validate({"features": Random(), "samples": 40, "subset": 20, "subsets": 5, **fields})


def exam(cache: Path) -> Examination:
    fakes = torch.from_numpy(noise(40, 3, 8, 8, seed=1) // 3).float() / 127.5 - 1
    return exam_of(ConstantGame(fakes), ArraySource(noise(50, 3, 8, 8)), cache)


def rows(cache: Path) -> tuple[np.ndarray, np.ndarray]:
    looked = exam(cache)
    return looked_at(looked, 40, view=VIEW).double().numpy(), looked_at(looked, 50, "real", VIEW).double().numpy()


def discrepancy(fake: np.ndarray, real: np.ndarray) -> float:
    """Bińkowski et al. 2018, sec. 4: the unbiased estimator of MMD^2, term by term."""

    def kernel(x: np.ndarray, y: np.ndarray) -> float:
        return (sum(float(a) * float(b) for a, b in zip(x, y, strict=True)) / len(x) + 1) ** 3

    m, n = len(fake), len(real)
    within_fake = sum(kernel(fake[i], fake[j]) for i in range(m) for j in range(m) if i != j) / (m * (m - 1))
    within_real = sum(kernel(real[i], real[j]) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
    between = sum(kernel(x, y) for x in fake for y in real) / (m * n)
    return within_fake + within_real - 2 * between


def test_one_subset_of_all_samples_is_the_unbiased_estimator(tmp_path: Path) -> None:
    fake, real = rows(tmp_path)
    found = measured(metric(subset=40, real=40, subsets=1), exam(tmp_path)).values
    expected = discrepancy(fake, real[:40])
    assert expected > 0.01
    assert found["kernel-distance-random-features"] == pytest.approx(expected, rel=1e-4)  # it counts in float32
    assert found["kernel-distance-random-features-std"] == 0


def test_mean_and_deviation_are_those_over_subsets(tmp_path: Path) -> None:
    fake, real = rows(tmp_path)
    chosen = np.random.RandomState(2020)  # as torch-fidelity draws them, so that its values and ours can be compared
    expected = []
    for _ in range(5):
        some = fake[chosen.choice(40, 20, replace=False)]
        expected.append(discrepancy(some, real[chosen.choice(50, 20, replace=False)]))
    found = measured(metric(), exam(tmp_path)).values
    assert found["kernel-distance-random-features"] == pytest.approx(np.mean(expected), rel=1e-4)
    assert found["kernel-distance-random-features-std"] == pytest.approx(np.std(expected), rel=1e-3)


def test_samples_of_the_same_distribution_are_at_no_distance_on_average(tmp_path: Path) -> None:
    images = torch.from_numpy(noise(400, 3, 8, 8, seed=3))
    same = exam_of(ConstantGame(images.float() / 127.5 - 1), ArraySource(noise(400, 3, 8, 8)), tmp_path)
    found = measured(metric(samples=400, subset=40, subsets=50), same).values
    name = "kernel-distance-random-features"
    other = measured(metric(), exam(tmp_path)).values[name]
    assert abs(found[name]) < min(0.02 * other, found[f"{name}-std"]), "unbiased: around 0, not above it"


def test_only_inception_features_make_a_kid(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert metric().directions() == {
        "kernel-distance-random-features": "lower",
        "kernel-distance-random-features-std": None,
    }
    assert list(KernelDistance().directions()) == ["kid", "kid-std"]
    monkeypatch.setattr(Inception, "build", lambda self: MeanColours())
    found = measured(KernelDistance(samples=40, subset=20), exam(tmp_path))
    assert set(found.values) == {"kid", "kid-std"}
    assert "not the published ones" in str(found.receipt["warning"])


def test_the_receipt_is_complete(tmp_path: Path) -> None:
    receipt = measured(metric(real=30), exam(tmp_path)).receipt
    expected = {"features": "random-features", "weights-sha256": "1" * 64, "resizer": "none",
                "reference": "reference-1", "fake": 40, "real": 30, "subset": 20, "subsets": 5,
                "seed": 5, "truncation": 1.0, "ema": True}  # fmt: skip
    assert expected.items() <= receipt.items()
    assert {"kernel", "dtype", "ganforge", "torch", "torch-fidelity"} <= receipt.keys()
    assert "30 samples are fewer than 10,000" in str(receipt["warning"])


def test_enough_samples_are_not_warned_about(tmp_path: Path) -> None:
    source = ArraySource(np.repeat(noise(10, 3, 5, 5), 1_000, axis=0))
    fine = exam_of(DiceGame((3, 5, 5)), source, tmp_path)
    assert measured(metric(samples=10_000), fine).receipt["warning"] is None


def test_subsets_that_are_too_large_are_refused_with_the_largest_that_fits(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="subset = 41 is more than the 40 samples"):
        metric(subset=41)
    with pytest.raises(ValidationError, match="subset = 20 is more than the 19 samples"):
        metric(real=19)
    few = ArraySource(noise(12, 3, 8, 8))
    with pytest.raises(DataError, match="the data have 12; set its subset = 12 or less"):
        metric().requests(few)
    small = exam(tmp_path)
    small.subject.most = 15
    with pytest.raises(GanforgeError, match="there are 15; set its subset = 15 or less"):
        measured(metric(), small)
