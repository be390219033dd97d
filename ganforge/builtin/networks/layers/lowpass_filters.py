"""Low-pass filters: windowed sinc along one axis, and windowed jinc, which is the same in every direction."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def attenuation(taps: int, half_width: float, rate: float) -> float:
    """Return how far Kaiser's formula says the stopband lies below the passband, in dB.

    A = 2.285 (L - 1) pi df + 7.95, with the transition band's width df in units of half the rate (Kaiser 1974; Karras
    et al. 2021, arXiv:2106.12423, app. C).

    Args:
        taps: length L of the filter.
        half_width: of the transition band, in the unit of `rate`.
        rate: sampling rate.
    """
    return 2.285 * (taps - 1) * math.pi * (4 * half_width / rate) + 7.95


def kaiser_beta(decibels: float) -> float:
    """Return the shape of the Kaiser window whose stopband lies so far below the passband (Kaiser 1974)."""
    if decibels > 50:
        return 0.1102 * (decibels - 8.7)
    if decibels > 21:
        return 0.5842 * math.pow(decibels - 21, 0.4) + 0.07886 * (decibels - 21)
    return 0.0


def sinc_taps(taps: int, cutoff: float, half_width: float, rate: float) -> Tensor:
    """Return a low-pass filter [taps] float64 whose taps add up to 1 (arXiv:2106.12423, app. C).

    Args:
        taps: its length.
        cutoff: where it lets half of the amplitude through, in the unit of `rate`.
        half_width: of the transition band around the cutoff, in the same unit.
        rate: sampling rate; the cutoff is below half of it.
    """
    place = _tap_positions(taps) / rate
    kernel = torch.sinc(2 * cutoff * place) * _kaiser_window(place.abs(), taps, half_width, rate)
    return kernel / kernel.sum()


def jinc_taps(taps: int, cutoff: float, half_width: float, rate: float) -> Tensor:
    """Return a low-pass filter [taps, taps] float64 that depends on the distance from its middle only; the sum is 1.

    The ideal filter is J1(2 pi fc r) / r, the jinc (arXiv:2106.12423, sec. 3.2, config R). The window is Kaiser's, of
    the distance too.

    Args:
        taps: length of its edges.
        cutoff: radius of the disc of frequencies that pass, in the unit of `rate`.
        half_width: of the transition band around it, in the same unit.
        rate: sampling rate.
    """
    place = _tap_positions(taps) / rate
    radius = torch.hypot(place[:, None], place)
    phase = 2 * math.pi * cutoff * radius.clamp(min=1e-12)
    kernel: Tensor = torch.special.bessel_j1(phase) / phase * _kaiser_window(radius, taps, half_width, rate)
    return kernel / kernel.sum()


def _tap_positions(taps: int) -> Tensor:
    return torch.arange(taps, dtype=torch.float64) - (taps - 1) / 2


def _kaiser_window(radius: Tensor, taps: int, half_width: float, rate: float) -> Tensor:
    """Kaiser's window of the distance from the middle; 0 beyond the outermost tap."""
    if taps == 1:
        return torch.ones_like(radius)
    beta = kaiser_beta(attenuation(taps, half_width, rate))
    fraction = 2 * radius * rate / (taps - 1)  # 1 at the outermost tap
    inside = (1 - fraction.square()).clamp(min=0).sqrt()
    window = torch.special.i0(beta * inside) / torch.special.i0(torch.tensor(beta, dtype=torch.float64))
    return torch.where(fraction <= 1 + 1e-9, window, 0.0)
