"""The filtered rectifier: it resamples what it need not rectify; against the definition; derivatives of both orders."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from ganforge.builtin.networks.layers.filtered_leaky_relu import FilteredLeakyReLU, SignalBand
from ganforge.builtin.networks.layers.lowpass_filters import jinc_taps, sinc_taps

SAME = SignalBand(4.0, 4.0, 16, 36), SignalBand(4.0, 4.0, 16, 34)
FINER = SignalBand(4.0, 4.0, 16, 38), SignalBand(6.0, 10.0, 32, 52)
MUCH_FINER = SignalBand(4.0, 4.0, 16, 38), SignalBand(6.0, 26.0, 64, 84)
EACH = pytest.mark.parametrize(("before", "after"), [SAME, FINER, MUCH_FINER])


def wave(band: SignalBand, frequency: float, angle: float) -> Tensor:
    """A sine wave around 2, odd around the image's centre, sampled."""
    axis = (torch.arange(band.size) + 0.5 - band.size / 2) / band.rate
    place = axis[:, None] * math.sin(angle) + axis * math.cos(angle)
    return (2 + torch.sin(2 * math.pi * frequency * place))[None, None]


@EACH
@pytest.mark.parametrize("radial", [False, True])
def test_a_wave_above_zero_is_resampled_where_it_is(before: SignalBand, after: SignalBand, radial: bool) -> None:
    """Positive samples are not rectified: what is left is an enlargement that keeps the centre in place."""
    layer = FilteredLeakyReLU(1, before, after, radial=radial, gain=1.5)
    with torch.no_grad():
        found = layer(wave(before, 0.5, 0.7))
    assert found.shape == (1, 1, after.size, after.size)
    edge = 8 * after.rate // before.rate
    inner = (slice(None), slice(None), slice(edge, -edge), slice(edge, -edge))
    # an eighth of the cutoff: 12 taps with so wide a resolution_transition lose less than 3 % there
    torch.testing.assert_close(found[inner], 1.5 * wave(after, 0.5, 0.7)[inner], rtol=0, atol=0.045)
    # shifted by a quarter of a sample, the sum with its mirror image would be off by 1.5 * 2 pi * 0.5 / 4 / 64 = 0.018
    mirrored = (found + found.flip(2, 3))[inner] / 2
    torch.testing.assert_close(mirrored, torch.full_like(mirrored, 3.0), rtol=0, atol=0.005)


@EACH
@pytest.mark.parametrize("radial", [False, True])
def test_it_is_zeros_between_samples_filter_rectifier_filter_and_every_nth(
    before: SignalBand, after: SignalBand, radial: bool
) -> None:
    """Against the definition as dense matrices, in float64, from edge to edge."""
    rate = 2 * max(before.rate, after.rate)
    layer = FilteredLeakyReLU(2, before, after, radial=radial, gain=2.0)
    images = torch.randn(1, 2, before.size, before.size, generator=torch.Generator().manual_seed(0))
    taps = sinc_taps(6 * rate // before.rate, before.cutoff, before.half_width, rate) * (rate / before.rate)
    fine = centres(after.size * rate // after.rate + 12 * rate // after.rate, rate)  # and more than enough around
    up = weights(fine, centres(before.size, before.rate), taps, rate)
    rectified = F.leaky_relu(up @ images.double() @ up.t(), 0.2)
    length, coarse = 6 * rate // after.rate, centres(after.size, after.rate)
    if radial:
        kernel = jinc_taps(length, after.cutoff, after.half_width, rate)
        expected = torch.zeros(1, 2, after.size, after.size, dtype=torch.float64)
        for row in range(length):  # a sum of separable filters, one for each row of the kernel
            down = weights(coarse, fine, torch.eye(length, dtype=torch.float64)[row], rate)
            across = weights(coarse, fine, kernel[row], rate)
            expected += down @ rectified @ across.t()
    else:
        down = weights(coarse, fine, sinc_taps(length, after.cutoff, after.half_width, rate), rate)
        expected = down @ rectified @ down.t()
    with torch.no_grad():
        torch.testing.assert_close(layer(images).double(), 2.0 * expected, rtol=1e-4, atol=1e-5)


def centres(size: int, rate: int) -> Tensor:
    """Where samples lie, [size], in image widths from the centre."""
    return (torch.arange(size, dtype=torch.float64) + 0.5 - size / 2) / rate


def weights(target: Tensor, source: Tensor, taps: Tensor, rate: int) -> Tensor:
    """What each source sample gives to each target sample, [targets, sources]: the tap at their distance."""
    index = (target[:, None] - source) * rate + (len(taps) - 1) / 2
    assert (index - index.round()).abs().max() < 1e-9, "samples lie on taps"
    index = index.round().long()
    inside = (index >= 0) & (index < len(taps))
    return torch.where(inside, taps[index.clamp(0, len(taps) - 1)], 0.0)


def test_gradients_of_both_orders_in_float64() -> None:
    layer = FilteredLeakyReLU(2, SignalBand(2.0, 2.0, 8, 8), SignalBand(2.0, 2.0, 8, 6), taps=2).double()
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(1, 2, 8, 8, dtype=torch.float64, generator=generator).requires_grad_()
    assert torch.autograd.gradcheck(layer, images)
    assert torch.autograd.gradgradcheck(layer, images)


def test_channels_last_goes_in_and_comes_out() -> None:
    images = torch.randn(2, 4, 36, 36).contiguous(memory_format=torch.channels_last)
    for radial in (False, True):
        found = FilteredLeakyReLU(4, *SAME, radial=radial)(images)
        assert found.is_contiguous(memory_format=torch.channels_last)
