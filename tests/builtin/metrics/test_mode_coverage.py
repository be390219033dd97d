"""Mode coverage: counted by hand, and for data that are the mixture itself."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from support.examinations import ArraySource, ConstantGame, ModesSource, exam_of, measured, noise

from ganforge.api.metric import Measurement
from ganforge.builtin.metrics.mode_coverage import ModeCoverage, coverage
from ganforge.errors import DataError

MODES = np.array([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0], [10.0, 10.0]])


def measure(points: torch.Tensor, cache: Path, **fields: float) -> Measurement:
    metric = ModeCoverage.model_validate({"samples": len(points), **fields})
    return measured(metric, exam_of(ConstantGame(points), ModesSource(MODES, std=0.5), cache))


def test_values_counted_by_hand(tmp_path: Path) -> None:
    # radius 3 x 0.5: two good ones at mode 0, one at mode 1, one near mode 1 but too far from it
    points = torch.tensor([[0.0, 0.0], [0.0, 1.4], [10.0, 1.5], [10.0, 1.6]])
    found = measure(points, tmp_path)
    assert found.values["modes-covered"] == 2
    assert found.values["high-quality"] == 0.75
    assert found.values["reverse-kl"] == pytest.approx(math.log(2))  # shares 1/2, 1/2, 0, 0 against 1/4 each
    assert {
        "fake": 4,
        "modes": 4,
        "radius": 3.0,
        "min_fraction": 0.0,
        "reference": "reference-1",
    }.items() <= found.receipt.items()


def test_distance_is_euclidean() -> None:
    corner = torch.tensor([[1.2, 1.2]], dtype=torch.float64)  # 1.70 away
    assert coverage(corner, torch.as_tensor(MODES), reach=1.5)[1] == 0
    assert coverage(corner, torch.as_tensor(MODES), reach=1.7)[1] == 1


def test_a_mode_is_covered_by_its_share_of_good_samples(tmp_path: Path) -> None:
    points = torch.tensor([[0.0, 0.0]] * 97 + [[10.0, 0.0], [0.0, 10.0], [0.0, 10.0]])
    assert measure(points, tmp_path).values["modes-covered"] == 3
    assert (
        measure(points, tmp_path, min_fraction=0.08).values["modes-covered"] == 2
    )  # 2 of 100 / 4 = 0.08 of its fair number
    assert measure(points, tmp_path, min_fraction=0.09).values["modes-covered"] == 1


def test_all_samples_in_one_mode_have_the_greatest_divergence(tmp_path: Path) -> None:
    found = measure(torch.zeros(50, 2), tmp_path).values
    assert found == {"modes-covered": 1, "high-quality": 1, "reverse-kl": pytest.approx(math.log(4))}


def test_the_mixture_itself_is_covered_and_its_good_share_is_that_of_a_rayleigh_distribution(tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    points = torch.as_tensor(MODES, dtype=torch.float32).repeat(2_500, 1)
    points = points + 0.5 * torch.randn(points.shape, generator=generator)
    found = measure(points, tmp_path, min_fraction=0.9).values
    assert found["modes-covered"] == 4
    assert found["high-quality"] == pytest.approx(1 - math.exp(-(3**2) / 2), abs=0.004)  # four deviations
    assert found["reverse-kl"] == pytest.approx(0, abs=1e-3)


def test_data_without_known_modes_are_refused(tmp_path: Path) -> None:
    images = ArraySource(noise(4, 1, 4, 4))
    with pytest.raises(DataError, match="modes are known"):
        measured(ModeCoverage(), exam_of(ConstantGame(torch.zeros(1, 1, 4, 4)), images, tmp_path))
