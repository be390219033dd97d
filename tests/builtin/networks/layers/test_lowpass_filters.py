"""Filters: SciPy's design of the same kind; Kaiser's formula for the stopband; a jinc that is the same all around."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.signal
import torch
from torch import Tensor

from ganforge.builtin.networks.layers.lowpass_filters import attenuation, jinc_taps, kaiser_beta, sinc_taps

DESIGNS = [  # taps, cutoff, half-width, rate
    (12, 2.0, 6.0, 32.0),
    (12, 16.0, 3.7, 64.0),
    (24, 3.36, 4.64, 64.0),
    (12, 300.0, 60.0, 2048.0),
    (8, 4.0, 0.2, 32.0),
]
EACH = pytest.mark.parametrize("design", DESIGNS, ids=str)


@EACH
def test_sinc_is_what_scipy_designs(design: tuple[int, float, float, float]) -> None:
    taps, cutoff, half_width, rate = design
    expected = scipy.signal.firwin(taps, cutoff, width=2 * half_width, fs=rate)
    found = sinc_taps(*design)
    assert found.dtype == torch.float64
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-9, atol=1e-12)


@EACH
def test_attenuation_and_window_are_kaisers(design: tuple[int, float, float, float]) -> None:
    taps, _, half_width, rate = design
    decibels = attenuation(taps, half_width, rate)
    assert decibels == pytest.approx(scipy.signal.kaiser_atten(taps, 2 * half_width / (rate / 2)))
    assert kaiser_beta(decibels) == pytest.approx(scipy.signal.kaiser_beta(decibels))


@pytest.mark.parametrize("decibels", [10.0, 21.0, 35.0, 50.0, 80.0])
def test_each_branch_of_the_windows_shape(decibels: float) -> None:
    assert kaiser_beta(decibels) == pytest.approx(scipy.signal.kaiser_beta(decibels))


def response(kernel: Tensor, frequency: Tensor, rate: float) -> Tensor:
    """The gain of a symmetric filter at frequencies [N]."""
    places = torch.arange(len(kernel), dtype=torch.float64) - (len(kernel) - 1) / 2
    return (kernel * torch.cos(2 * math.pi * frequency[:, None] * places / rate)).sum(1)


@pytest.mark.parametrize("design", [(12, 8.0, 5.0, 32.0), (24, 3.36, 4.64, 64.0)], ids=str)
def test_the_stopband_lies_as_low_as_the_formula_says(design: tuple[int, float, float, float]) -> None:
    """Kaiser's formula is a fit, good to a few dB."""
    taps, cutoff, half_width, rate = design
    kernel = sinc_taps(*design)
    stop = torch.linspace(cutoff + half_width, rate / 2, 200, dtype=torch.float64)
    worst = 20 * math.log10(response(kernel, stop, rate).abs().max().item())
    assert worst < -attenuation(taps, half_width, rate) + 3
    assert response(kernel, torch.tensor([cutoff], dtype=torch.float64), rate).item() == pytest.approx(0.5, abs=0.05)
    assert response(kernel, torch.zeros(1, dtype=torch.float64), rate).item() == pytest.approx(1)


def test_jinc_depends_on_the_distance_only() -> None:
    kernel = jinc_taps(12, 4.0, 4.0, 32.0)
    places = torch.arange(12, dtype=torch.float64) - 5.5
    distance = torch.hypot(places[:, None], places).flatten()
    by_distance: dict[float, list[float]] = {}
    for key, value in zip(distance.tolist(), kernel.flatten().tolist(), strict=True):
        by_distance.setdefault(round(key, 9), []).append(value)
    assert any(len(values) > 8 for values in by_distance.values()), "12 taps at distance sqrt(50) / 2, by 1:7 and 5:5"
    assert max(max(values) - min(values) for values in by_distance.values()) < 1e-15
    assert kernel.sum().item() == pytest.approx(1)


def test_jinc_lets_a_disc_of_frequencies_through() -> None:
    """In every direction alike, to within its stopband; a separable filter of the same design lets a square through."""
    taps, cutoff, half_width, rate = 12, 4.0, 4.0, 32.0
    angle = torch.linspace(0, 2 * math.pi, 33, dtype=torch.float64)
    direction = torch.stack([angle.cos(), angle.sin()], 1)
    places = torch.stack(torch.meshgrid(*[torch.arange(taps, dtype=torch.float64) - 5.5] * 2, indexing="ij"), -1)
    stopband = 10 ** (-attenuation(taps, half_width, rate) / 20)

    def gains(kernel: Tensor, frequency: float) -> Tensor:
        phase = 2 * math.pi * frequency / rate * torch.einsum("yxd,nd->nyx", places, direction)
        return (kernel * phase.cos()).sum((1, 2))

    radial = jinc_taps(taps, cutoff, half_width, rate)
    for frequency in (0.0, 2.0, 4.0, 6.0, 8.0, 12.0):
        found = gains(radial, frequency)
        assert found.max() - found.min() < 4 * stopband
    assert gains(radial, 0.0).mean().item() == pytest.approx(1)
    assert gains(radial, cutoff + half_width).abs().max() < 10 * stopband
    square = torch.outer(*[sinc_taps(taps, cutoff, half_width, rate)] * 2)
    found = gains(square, 6.0)
    assert found.max() - found.min() > 10 * stopband


def test_one_tap_lets_all_through() -> None:
    assert sinc_taps(1, 1.0, 1.0, 8.0).tolist() == [1.0]
