"""Fourier features: waves below the cutoff that move exactly, and a pose that the style says."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from ganforge.builtin.networks.layers.filtered_leaky_relu import SignalBand
from ganforge.builtin.networks.layers.fourier_features import FourierFeatures, motion_matrix

BAND = SignalBand(2.0, 6.0, 16, 36)


def features(channels: int = 6) -> FourierFeatures:
    torch.manual_seed(0)
    return FourierFeatures(channels, 5, BAND)


def motion(angle: float = 0.0, x: float = 0.0, y: float = 0.0) -> Tensor:
    cos, sin = math.cos(angle), math.sin(angle)
    return torch.tensor([[[cos, -sin, x], [sin, cos, y], [0.0, 0.0, 1.0]]])


def test_whole_samples_to_the_right_and_down() -> None:
    layer, style = features(), torch.randn(1, 5)
    with torch.no_grad():
        still, moved = layer(style), layer(style, motion(x=3 / 16, y=-2 / 16))
    assert still.shape == (1, 6, 36, 36)
    torch.testing.assert_close(moved[:, :, :34, 3:], still[:, :, 2:, :33], rtol=1e-4, atol=1e-4)


def test_a_quarter_turn_takes_right_to_down() -> None:
    layer, style = features(), torch.randn(1, 5)
    with torch.no_grad():
        still, moved = layer(style), layer(style, motion(math.pi / 2))
    torch.testing.assert_close(moved, torch.rot90(still, -1, (2, 3)), rtol=1e-4, atol=1e-4)


def test_the_style_moves_as_a_motion_does() -> None:
    layer, style = features(), torch.zeros(1, 5)
    angle, x, y = 0.4, 0.1, -0.2
    with torch.no_grad():
        still_turned = layer(
            style, torch.linalg.inv(motion_matrix(torch.tensor([[math.cos(angle), math.sin(angle), x, y]])))
        )
        layer.affine.bias.copy_(torch.tensor([3 * math.cos(angle), 3 * math.sin(angle), x, y]))  # the length is nothing
        torch.testing.assert_close(layer(style), still_turned, rtol=1e-4, atol=1e-4)


def test_pose_translates_then_rotates() -> None:
    found = motion_matrix(torch.tensor([[0.0, 2.0, 0.5, 0.25]]))[0]
    point = found @ torch.tensor([1.5, 0.25, 1.0])  # less (0.5, 0.25) is (1, 0); a quarter turn takes it to (0, 1)
    torch.testing.assert_close(point, torch.tensor([0.0, 1.0, 1.0]), rtol=0, atol=1e-6)


def test_frequencies_are_uniform_in_the_disc() -> None:
    torch.manual_seed(1)
    layer = FourierFeatures(4000, 5, BAND)
    radius = layer.frequencies.norm(dim=1)
    assert radius.max() <= 2.0
    # uniform in a disc: half of them within sqrt(1/2) of the radius; 4000 of them scatter by 0.8 %
    assert (radius < 2 * math.sqrt(0.5)).float().mean().item() == pytest.approx(0.5, abs=0.03)
    assert layer.frequencies.mean(0).abs().max() < 0.06


def test_waves_repeat_in_checkpoints_only() -> None:
    """Frequencies and phases are state, drawn anew for each network."""
    one, other = features().state_dict(), FourierFeatures(6, 5, BAND).state_dict()
    assert {"frequencies", "phases", "weight", "affine.weight", "affine.bias"} == set(one)
    assert not torch.equal(one["frequencies"], other["frequencies"])


def test_places_stay_exact_in_bf16() -> None:
    """Only the mixing of waves is rounded, to 8 bits; places rounded so would put waves off by 2 % and more."""
    layer, style = features(), torch.zeros(1, 5)
    with torch.no_grad():
        expected = layer(style, motion(0.3, 0.31, 0.1))
        with torch.autocast("cpu", torch.bfloat16):
            found = layer(style, motion(0.3, 0.31, 0.1)).float()
    assert (found - expected).abs().max() < 0.02 * expected.abs().max()
