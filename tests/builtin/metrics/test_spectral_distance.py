"""Spectral distance: spectra that are known; what noise, blur and checkerboards do to it."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from support.examinations import ArraySource, ConstantGame, DiceGame, exam_of, looked_at, measured

from ganforge.builtin.metrics.spectral_distance import ROUNDING, SpectralDistance, Spectrum
from ganforge.errors import DataError

R = 16


def images(std: float, count: int = 400, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.clip(np.round(128 + std * rng.normal(size=(count, 3, R, R))), 0, 255).astype(np.uint8)


def distance(fake: np.ndarray, real: np.ndarray, cache: Path) -> float:
    game = ConstantGame(torch.from_numpy(fake).float() / 127.5 - 1)
    found = measured(SpectralDistance(samples=len(fake)), exam_of(game, ArraySource(real, str(real.sum())), cache))
    assert {"fake": len(fake), "real": len(real), "seed": 5}.items() <= found.receipt.items()
    return found.values["spectral-distance"]


def spectrum(image: np.ndarray, cache: Path) -> torch.Tensor:
    return looked_at(exam_of(DiceGame((1, 4, 4)), ArraySource(image), cache), 1, "real", Spectrum())[0]


@pytest.mark.parametrize(("across", "down", "place"), [(3, 0, 3), (0, 5, 5), (3, 4, 5), (8, 8, 11)])
def test_a_wave_has_its_power_at_its_frequency(across: int, down: int, place: int, tmp_path: Path) -> None:
    x = np.arange(R)
    phase = 2 * np.pi * (across * x[None] + down * x[:, None]) / R
    found = spectrum(np.round(128 + 100 * np.cos(phase))[None, None].astype(np.uint8), tmp_path)
    assert len(found) == round(R / math.sqrt(2))
    assert int(found.argmax()) == place - 1
    others = np.delete(found.numpy(), place - 1)
    assert others.max() < 1e-3 * found.max(), "what rounding leaves"


def test_the_power_of_all_frequencies_is_the_variance(tmp_path: Path) -> None:  # Parseval
    one = images(30, 1)[:, :1]
    found = spectrum(one, tmp_path)
    waves = np.fft.fftfreq(R, 1 / R)
    radius = np.round(np.hypot(*np.meshgrid(waves, waves))).astype(int)
    counts = np.bincount(radius.ravel())[1:]
    assert float(found.numpy() @ counts) / R**2 == pytest.approx(one.astype(float).var(), rel=1e-9)


def test_white_noise_of_twice_the_deviation_is_six_decibels_away(tmp_path: Path) -> None:
    found = distance(images(20), images(10, seed=1), tmp_path)
    rounded = [std**2 + 2 * ROUNDING for std in (20, 10)]  # by the images themselves, and by the metric
    assert found == pytest.approx(10 * math.log10(rounded[0] / rounded[1]), abs=0.1)


def test_the_same_images_are_at_zero_and_samples_of_one_distribution_near_it(tmp_path: Path) -> None:
    assert distance(images(20), images(20), tmp_path) == pytest.approx(0, abs=1e-9)
    assert distance(images(20), images(20, seed=1), tmp_path) < 0.1


def test_a_faint_checkerboard_and_blur_raise_it(tmp_path: Path) -> None:
    plain = images(20)
    board = 4 * (-1) ** np.add.outer(np.arange(R), np.arange(R))
    checked = np.clip(plain.astype(int) + board, 0, 255).astype(np.uint8)
    blurred = ((plain.astype(int) + np.roll(plain, 1, axis=3)) // 2).astype(np.uint8)
    own = distance(plain, images(20, seed=1), tmp_path)
    assert distance(checked, images(20, seed=1), tmp_path) > 10 * own
    assert distance(blurred, images(20, seed=1), tmp_path) > 10 * own


def test_flat_images_have_a_finite_distance(tmp_path: Path) -> None:
    flat = np.full((8, 3, R, R), 128, np.uint8)
    assert 10 < distance(flat, images(20), tmp_path) < 100


def test_points_have_no_spectrum(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="square images"):
        measured(SpectralDistance(), exam_of(DiceGame((2,)), ArraySource(np.zeros((9, 2), np.float32)), tmp_path))
