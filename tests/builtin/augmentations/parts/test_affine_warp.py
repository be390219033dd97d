from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import Tensor

from ganforge.builtin.augmentations.parts.affine_warp import SYM6, AffineWarp

TAPS = np.array(SYM6)


def images(rows: int = 2, channels: int = 2, resolution: int = 10) -> Tensor:
    return torch.randn(rows, channels, resolution, resolution, dtype=torch.float64)


def see(samples: Tensor, linear: list[list[float]], offset: list[float], antialias: bool = False) -> np.ndarray:
    rows = len(samples)
    matrix = torch.tensor(linear, dtype=torch.float64).expand(rows, 2, 2)
    module = AffineWarp(samples.shape[-1], antialias)
    return module(samples, matrix, torch.tensor(offset, dtype=torch.float64).expand(rows, 2)).numpy()


def test_the_filter_is_the_orthogonal_symlet_with_six_vanishing_moments():
    assert TAPS.sum() == pytest.approx(2**0.5, abs=1e-9)
    for lag in range(6):
        assert (TAPS[2 * lag :] * TAPS[: 12 - 2 * lag]).sum() == pytest.approx(float(lag == 0), abs=1e-9)
    places = np.arange(12.0) - 5.5
    for moment in range(6):
        assert ((-1.0) ** np.arange(12) * places**moment * TAPS).sum() == pytest.approx(0, abs=1e-7)


@pytest.mark.parametrize(("columns", "rows"), [(0, 0), (2, 0), (0, -3), (1, 2)])
def test_whole_pixels_are_moved_exactly_and_borders_reflected(columns, rows):
    samples = images()
    wide = np.pad(samples.numpy(), ((0, 0), (0, 0), (3, 3), (3, 3)), mode="symmetric")
    expected = wide[:, :, 3 + rows : 13 + rows, 3 + columns : 13 + columns]
    np.testing.assert_allclose(see(samples, [[1, 0], [0, 1]], [columns, rows]), expected, atol=1e-12)


@pytest.mark.parametrize(("columns", "rows"), [(0, 0), (2, 0), (1, -3)])
def test_the_filters_lose_nothing_of_whole_pixels_away_from_borders(columns, rows):
    samples = images(resolution=20)
    inside = slice(6, 14)
    expected = np.roll(samples.numpy(), (-rows, -columns), (2, 3))[:, :, inside, inside]
    seen = see(samples, [[1, 0], [0, 1]], [columns, rows], antialias=True)[:, :, inside, inside]
    np.testing.assert_allclose(seen, expected, atol=1e-6)


def test_flips_and_quarter_turns_are_exact():
    samples = images()
    np.testing.assert_allclose(see(samples, [[-1, 0], [0, 1]], [0, 0]), samples.flip(3).numpy(), atol=1e-12)
    turned = np.rot90(samples.numpy(), axes=(2, 3))
    np.testing.assert_allclose(see(samples, [[0, -1], [1, 0]], [0, 0]), turned, atol=1e-12)


@pytest.mark.parametrize("linear", [[[0.8, -0.6], [0.6, 0.8]], [[1.4, 0.3], [-0.2, 0.7]]])
def test_it_agrees_with_scipy(linear):
    samples = images()
    offset = np.array([0.7, -1.3])
    matrix = np.array(linear)[::-1, ::-1]  # scipy counts (row, column) from the first pixel's centre
    centre = np.full(2, 4.5)
    start = centre + offset[::-1] - matrix @ centre
    expected = [
        [ndimage.affine_transform(plane, matrix, start, order=1, mode="reflect") for plane in sample]
        for sample in samples.numpy()
    ]
    np.testing.assert_allclose(see(samples, linear, list(offset)), np.array(expected), atol=1e-9)


def test_antialiasing_removes_what_a_smaller_image_cannot_show():
    columns = torch.arange(32, dtype=torch.float64)
    wave = torch.cos(columns * (0.9 * np.pi)).expand(1, 1, 32, 32)  # shrunk by 2 it would be above the Nyquist rate
    plain, filtered = (see(wave, [[2, 0], [0, 2]], [0.25, 0.25], antialias=flag) for flag in (False, True))
    middle = slice(12, 20)
    assert filtered[..., middle, middle].std() < 0.5 * plain[..., middle, middle].std()


def test_flat_images_stay_flat():
    flat = torch.full((1, 1, 16, 16), 0.7, dtype=torch.float64)
    for antialias in (False, True):
        seen = see(flat, [[0.9, 0.5], [-0.3, 1.2]], [3.3, -2.1], antialias)
        np.testing.assert_allclose(seen, 0.7, atol=1e-6)


@pytest.mark.parametrize("antialias", [False, True])
def test_first_and_second_derivatives_are_those_of_finite_differences(antialias):
    samples = images(2, 1, 4).requires_grad_()
    linear = torch.eye(2, dtype=torch.float64) + 0.3 * torch.randn(2, 2, 2, dtype=torch.float64)
    offset = torch.randn(2, 2, dtype=torch.float64)
    module = AffineWarp(4, antialias)

    def seen(samples: Tensor) -> Tensor:
        return module(samples, linear, offset)

    assert torch.autograd.gradcheck(seen, (samples,))
    assert torch.autograd.gradgradcheck(seen, (samples,))
    assert torch.autograd.gradgradcheck(lambda samples: seen(samples).tanh(), (samples,))
