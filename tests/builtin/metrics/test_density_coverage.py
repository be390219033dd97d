"""Density and coverage: against the paper's formulas written out, and what it proves of equal distributions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from support.examinations import ArraySource, ConstantGame, DiceGame, exam_of, measured, noise

from ganforge.builtin.features.pixels import Pixels
from ganforge.builtin.features.vgg16 import Vgg16
from ganforge.builtin.metrics.density_coverage import DensityCoverage, density_coverage, expected_coverage
from ganforge.builtin.metrics.parts import nearest_neighbours
from ganforge.builtin.metrics.parts.nearest_neighbours import nearest, nearest_others
from ganforge.errors import DataError


def by_hand(real: np.ndarray, fake: np.ndarray, k: int) -> tuple[float, float]:
    """Equations 5 and 6 of arXiv:2002.09797, sample by sample."""
    among = cdist(real, real)
    reach = [sorted(np.delete(among[i], i))[k - 1] for i in range(len(real))]
    across = cdist(fake, real)
    inside = [[across[j, i] < reach[i] for i in range(len(real))] for j in range(len(fake))]
    density = sum(sum(row) for row in inside) / (k * len(fake))
    coverage = sum(any(row[i] for row in inside) for i in range(len(real))) / len(real)
    return density, coverage


@pytest.mark.parametrize("k", [1, 3, 5])
def test_it_is_the_papers_formula(k: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nearest_neighbours, "PORTION", 500)  # a few rows at a time
    rng = np.random.default_rng(k)
    real, fake = 100 + rng.normal(size=(90, 6)), 100.3 + 0.7 * rng.normal(size=(70, 6))
    found = density_coverage(torch.from_numpy(real), torch.from_numpy(fake), k)
    assert found == pytest.approx(by_hand(real, fake, k), rel=1e-12)


def test_neighbours_are_found_where_digits_could_be_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nearest_neighbours, "PORTION", 300)
    vectors = (1e3 + np.random.default_rng(0).normal(size=(60, 4))).astype(np.float32)
    expected = cdist(vectors.astype(np.float64), vectors.astype(np.float64))
    np.fill_diagonal(expected, np.inf)
    far, places = nearest_others(torch.from_numpy(vectors), 2, first=50)
    np.testing.assert_allclose(far, np.sort(expected, axis=1)[:50, :2], rtol=1e-9)
    np.testing.assert_array_equal(places, np.argsort(expected, axis=1)[:50, :2])
    far, places = nearest(torch.from_numpy(vectors[:7]), torch.from_numpy(vectors))
    np.testing.assert_allclose(far, 0, atol=1e-5)
    np.testing.assert_array_equal(places[:, 0], np.arange(7))


def test_equal_distributions_have_density_one_and_the_coverage_that_the_paper_proves() -> None:
    # sec. 3.3: E[density] = 1, E[coverage] = 1 - (N-1)...(N-k) / ((M+N-1)...(M+N-k)), near 1 - 1/2^k for N = M
    generator = torch.Generator().manual_seed(0)
    found = np.array([
        density_coverage(*torch.randn(2, 300, 4, generator=generator, dtype=torch.float64), k=3) for _ in range(30)
    ])  # fmt: skip
    error = found.std(0) / np.sqrt(len(found))
    assert abs(found[:, 0].mean() - 1) < 4 * error[0] < 0.06
    assert abs(found[:, 1].mean() - expected_coverage(300, 300, 3)) < 4 * error[1] < 0.03
    assert expected_coverage(10_000, 10_000, 5) == pytest.approx(1 - 0.5**5, abs=1e-3)
    assert expected_coverage(5, 7, 2) == pytest.approx(1 - (4 * 3) / (11 * 10))


def test_samples_of_one_mode_are_dense_and_cover_half() -> None:
    generator = torch.Generator().manual_seed(1)
    real = torch.randn(400, 2, generator=generator)
    real[:200, 0] += 100
    density, coverage = density_coverage(real, torch.randn(400, 2, generator=generator), 5)
    assert density > 0.8
    assert 0.4 < coverage < 0.51


def test_the_receipt_is_complete_and_only_the_papers_choices_have_plain_names(tmp_path: Path) -> None:
    images = noise(40, 3, 4, 4)
    game = ConstantGame(torch.from_numpy(images).float() / 127.5 - 1)
    metric = DensityCoverage(features=Pixels(), samples=30, real=40, neighbours=2)
    found = measured(metric, exam_of(game, ArraySource(images), tmp_path))
    assert list(found.values) == [f"{name}-pixels-2nn" for name in ("density", "coverage", "coverage-expected")]
    assert set(found.values) == set(metric.directions())
    assert found.values["coverage-pixels-2nn"] >= 30 / 40, "each real sample that was copied is covered"
    assert {
        "features": "pixels-32",
        "fake": 30,
        "real": 40,
        "neighbours": 2,
        "seed": 5,
    }.items() <= found.receipt.items()
    assert "10,000" in str(found.receipt["warning"])
    assert set(DensityCoverage(features=Vgg16()).directions()) == {"density", "coverage", "coverage-expected"}


def test_too_few_real_samples_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="looks for 5 neighbours of each real sample, and has 5"):
        measured(
            DensityCoverage(features=Pixels()), exam_of(DiceGame((1, 4, 4)), ArraySource(noise(5, 1, 4, 4)), tmp_path)
        )
