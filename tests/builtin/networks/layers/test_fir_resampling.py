from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.signal import convolve2d

from ganforge.builtin.networks.layers.fir_resampling import FirResample, fir_downsample, fir_upsample

TAPS = np.outer([1, 3, 3, 1], [1, 3, 3, 1]) / 64


def upfirdn(images: np.ndarray, up: int, down: int, before: int, after: int, gain: float) -> np.ndarray:
    """Insert zeros, pad, filter, keep every `down`-th pixel: by definition."""
    batch, channels, height, width = images.shape
    stuffed = np.zeros((batch, channels, height * up, width * up))
    stuffed[:, :, ::up, ::up] = images
    padded = np.pad(stuffed, ((0, 0), (0, 0), (before, after), (before, after)))
    filtered = [[convolve2d(channel, TAPS * gain, mode="valid") for channel in image] for image in padded]
    return np.array(filtered)[:, :, ::down, ::down]


@pytest.mark.parametrize(
    ("layer", "up", "down", "before", "after", "gain"),
    [
        (fir_upsample(3), 2, 1, 2, 1, 4),
        (fir_downsample(3), 1, 2, 1, 1, 1),
        (FirResample(3, padding=2), 1, 1, 2, 2, 1),
        (FirResample(3, padding=1, gain=4.0), 1, 1, 1, 1, 4),
    ],
)
def test_equals_zeros_padding_filter_and_decimation(
    layer: FirResample, up: int, down: int, before: int, after: int, gain: float
) -> None:
    images = torch.randn(2, 3, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    expected = upfirdn(images.numpy(), up, down, before, after, gain)
    np.testing.assert_allclose(layer.double()(images).numpy(), expected, rtol=1e-6, atol=1e-7)


def test_constant_images_stay_constant_away_from_the_border() -> None:
    images = torch.full([1, 2, 8, 8], 0.5)
    for layer in (fir_upsample(2), fir_downsample(2)):
        assert layer(images)[:, :, 1:-1, 1:-1].sub(0.5).abs().max().item() < 1e-6


def test_channels_last_stays_channels_last() -> None:
    images = torch.randn(2, 4, 8, 8).to(memory_format=torch.channels_last)
    for layer in (fir_upsample(4), fir_downsample(4), FirResample(4, padding=2)):
        output = layer.to(memory_format=torch.channels_last)(images)
        assert output.is_contiguous(memory_format=torch.channels_last)
        assert not output.is_contiguous()
