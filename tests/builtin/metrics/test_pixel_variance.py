"""Pixel variance: what torch says it is; 0 for one image; the variance of the noise for noise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from support.examinations import ArraySource, ConstantGame, DiceGame, exam_of, measured, noise

from ganforge.builtin.metrics.pixel_variance import PixelVariance

SOURCE = ArraySource(noise(4, 1, 4, 4))


def value(game: DiceGame, cache: Path, samples: int, source: ArraySource = SOURCE) -> float:
    found = measured(PixelVariance(samples=samples), exam_of(game, source, cache))
    assert found.receipt["fake"] == samples
    assert found.receipt["seed"] == 5
    return found.values["pixel-variance"]


def test_it_is_the_variance_over_samples_averaged_over_pixels(tmp_path: Path) -> None:
    samples = torch.from_numpy(noise(70, 1, 4, 4)).double() * 2 / 255 - 1
    expected = samples.var(dim=0).mean().item()
    assert value(ConstantGame(samples.float()), tmp_path, 70) == pytest.approx(expected, rel=1e-6)


def test_one_image_for_all_latents_has_none(tmp_path: Path) -> None:
    one = torch.from_numpy(noise(1, 1, 4, 4)).float() / 127.5 - 1
    assert value(ConstantGame(one), tmp_path, 200) == pytest.approx(0, abs=1e-12)


def test_noise_has_its_own(tmp_path: Path) -> None:
    # 3,200 numbers of deviation 0.2: the relative error of a variance is sqrt(2 / 3200) = 2.5 %
    assert value(DiceGame((1, 4, 4), std=0.2), tmp_path, 200) == pytest.approx(0.04, rel=0.1)


def test_points_are_measured_in_their_own_units(tmp_path: Path) -> None:
    points = torch.tensor([[0.0, 10.0], [4.0, 10.0]])
    source = ArraySource(np.zeros((2, 2), np.float32))
    assert value(ConstantGame(points), tmp_path, 2, source) == pytest.approx((8.0 + 0.0) / 2)


def test_more_is_better() -> None:
    assert PixelVariance().directions() == {"pixel-variance": "higher", "pixel-variance-of-real": None}


def test_that_of_real_samples_is_beside_it_where_there_are_two(tmp_path: Path) -> None:
    real = noise(30, 1, 4, 4, seed=2)
    found = measured(PixelVariance(samples=20), exam_of(DiceGame((1, 4, 4)), ArraySource(real), tmp_path))
    assert found.receipt["real"] == 20
    # uniform levels: a variance of (2 / 255)^2 (256^2 - 1) / 12; 320 numbers tell it to 5 %
    assert found.values["pixel-variance-of-real"] == pytest.approx((2 / 255) ** 2 * (256**2 - 1) / 12, rel=0.2)
    alone = measured(PixelVariance(samples=20), exam_of(DiceGame((1, 4, 4)), ArraySource(real[:1], "one"), tmp_path))
    assert set(alone.values) == {"pixel-variance"}
