from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ganforge.api.dice import Roll, roll_dice
from ganforge.builtin.augmentations.parts.ada_transforms import ColourTransform, GeometricTransform

ROWS = 8192


def rolled(module: nn.Module, rows: int = ROWS, seed: int = 0) -> nn.Module:
    roll_dice(module, Roll(seed, "test", rows=rows, total=rows))
    return module


def maps(module: GeometricTransform | ColourTransform, p: float) -> tuple[Tensor, Tensor]:
    rolled(module)
    linear, offset = module.maps(ROWS, torch.tensor(p))
    return linear.double(), offset.double()


def assert_share(mask: Tensor, expected: float) -> None:
    """The share of ones is within five standard deviations of a binomial distribution."""
    assert float(mask.double().mean()) == pytest.approx(expected, abs=5 * math.sqrt(expected * (1 - expected) / ROWS))


def assert_spread(values: Tensor, expected: float) -> None:
    """The standard deviation of normal numbers is within five of its own standard errors, and the mean near 0."""
    assert float(values.std()) == pytest.approx(expected, rel=5 / math.sqrt(2 * len(values)))
    assert float(values.mean()) == pytest.approx(0, abs=5 * expected / math.sqrt(len(values)))


@pytest.mark.parametrize("p", [0.2, 1.0])
def test_blits_strike_as_often_as_the_paper_says(p):
    linear, offset = maps(GeometricTransform(32, blit=True, geometric=False, antialias=False), p)
    assert_share(torch.linalg.det(linear) < 0, p / 2)  # x-flip: struck with p, then flipped or not
    assert_share(linear[:, 0, 0] == 0, p / 2)  # quarter turns: 0, 1, 2, 3 alike
    assert_share((linear[:, 0, 1] < 0) & (linear[:, 1, 0] > 0), (1 - p / 2) * p / 4)
    assert torch.equal(offset, offset.round())
    assert offset.abs().max() == 4  # an eighth of 32
    assert_share((offset != 0).any(1), p * (1 - (1 / 8) ** 2))  # rounded from [-4, 4): 0 has 1 part in 8


def test_whole_pixel_translations_are_uniform():
    _, offset = maps(GeometricTransform(64, blit=True, geometric=False, antialias=False), 1.0)
    for axis in (0, 1):
        for pixels in range(-7, 8):
            assert_share(offset[:, axis] == pixels, 1 / 16)
        assert_share(offset[:, axis] == 8, 1 / 32)


@pytest.mark.parametrize("p", [0.3, 0.8])
def test_geometric_changes_strike_as_often_as_the_paper_says(p):
    linear, offset = maps(GeometricTransform(32, blit=False, geometric=True, antialias=False), p)
    long, short = torch.linalg.svdvals(linear).unbind(1)
    assert_share((long * short - 1).abs() > 1e-5, p)  # isotropic scale
    assert_share((long / short - 1).abs() > 1e-5, p)  # anisotropic scale
    assert_share(linear[:, 0, 1] != 0, p)  # one of the two rotations
    assert_share((offset != 0).any(1), p)
    assert (torch.linalg.det(linear) > 0).all()


def test_geometric_changes_are_as_strong_as_the_paper_says():
    linear, offset = maps(GeometricTransform(32, blit=False, geometric=True, antialias=False), 1.0)
    long, short = torch.linalg.svdvals(linear).unbind(1)
    log2 = 0.2 * math.log(2)
    assert_spread(-(long * short).log() / 2, log2)
    folded = (long / short).log() / 2  # |log of the aspect|
    assert float(folded.square().mean().sqrt()) == pytest.approx(log2, rel=5 / math.sqrt(2 * ROWS))
    pixels = -torch.linalg.solve(linear, offset[:, :, None]).squeeze(2)
    assert_spread(pixels.flatten(), 0.125 * 32)


def test_rotations_go_all_the_way_round():
    module = GeometricTransform(32, blit=False, geometric=True, antialias=False)
    linear, _ = maps(module, 1.0)
    rotation = torch.atan2(linear[:, 1, 0] - linear[:, 0, 1], linear[:, 0, 0] + linear[:, 1, 1])
    for low in np.linspace(-math.pi, math.pi, 9)[:-1]:
        assert_share((rotation >= low) & (rotation < low + math.pi / 4), 1 / 8)


def test_samples_that_nothing_struck_keep_every_bit():
    module = rolled(GeometricTransform(8, blit=True, geometric=True, antialias=True), rows=64)
    images = torch.randn(64, 1, 8, 8)
    seen = module(images, torch.tensor(0.1))
    same = (seen == images).flatten(1).all(1)
    rolled(module, rows=64)
    linear, offset = module.maps(64, torch.tensor(0.1))
    struck = (linear != torch.eye(2)).flatten(1).any(1) | (offset != 0).any(1)
    assert torch.equal(same, ~struck)
    assert 10 < int(same.sum()) < 64


def test_hand_computed_colour_matrices():
    module = ColourTransform(3).double()
    colours = torch.tensor([0.9, 0.2, -0.4], dtype=torch.float64)
    one, zero = torch.ones(1, dtype=torch.float64), torch.zeros(1, dtype=torch.float64)

    def through(grey: Tensor, vivid: Tensor, angle: Tensor) -> Tensor:
        return module.matrix(grey, vivid, angle)[0] @ colours

    mean = colours.mean()
    torch.testing.assert_close(through(one, one, zero), colours)
    torch.testing.assert_close(through(2 * one, 2 * one, zero), 2 * colours)  # contrast
    torch.testing.assert_close(through(-one, one, zero), colours - 2 * mean)  # luma flip: Householder of (1, 1, 1)
    torch.testing.assert_close(through(one, zero, zero), mean.expand(3))  # saturation 0: grey
    torch.testing.assert_close(through(one, 3 * one, zero), mean + 3 * (colours - mean))
    third = one * (2 * math.pi / 3)
    torch.testing.assert_close(through(one, one, third), colours.roll(1))  # hue by a third: red becomes green
    turned = module.matrix(one, one, one * 0.7)[0]
    torch.testing.assert_close(turned @ turned.T, torch.eye(3, dtype=torch.float64))
    assert float(torch.linalg.det(turned)) == pytest.approx(1)
    assert float(turned.trace()) == pytest.approx(1 + 2 * math.cos(0.7))


def parts(matrix: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Take colour matrices apart: gain along grey, gain across it, angle."""
    grey = torch.ones(3, dtype=torch.float64) / 3**0.5
    first = torch.tensor([1.0, -1.0, 0.0], dtype=torch.float64) / 2**0.5
    second = torch.linalg.cross(grey, first)
    turned = matrix @ first
    return (matrix @ grey) @ grey, turned.norm(dim=1), torch.atan2(turned @ second, turned @ first)


@pytest.mark.parametrize("p", [0.3, 1.0])
def test_colours_change_as_often_and_as_strongly_as_the_paper_says(p):
    matrix, shift = maps(ColourTransform(3), p)
    along, across, angle = parts(matrix)
    assert_share(along < 0, p / 2)
    assert_share((along.abs() - 1).abs() > 1e-6, p)
    assert_share((across / along.abs() - 1).abs() > 1e-6, p)
    assert_share(angle.abs() > 1e-6, p)
    assert_share(shift != 0, p)
    if p == 1:
        assert_spread(along.abs().log(), 0.5 * math.log(2))
        assert_spread((across / along.abs()).log(), math.log(2))
        assert_spread(shift / along, 0.2)
        assert_share(angle.abs() < math.pi / 4, 1 / 4)


def test_grey_images_have_brightness_contrast_and_luma_flip():
    gain, shift = maps(ColourTransform(1), 1.0)
    assert gain.shape == shift.shape == (ROWS,)
    assert_share(gain < 0, 1 / 2)
    assert_spread(gain.abs().log(), 0.5 * math.log(2))
    assert_spread(shift / gain, 0.2)
    module = rolled(ColourTransform(1), rows=8)
    images = torch.randn(8, 1, 4, 4)
    seen = module(images, torch.tensor(1.0))
    rolled(module, rows=8)
    gain, shift = module.maps(8, torch.tensor(1.0))
    torch.testing.assert_close(seen, images * gain.view(-1, 1, 1, 1) + shift.view(-1, 1, 1, 1))


def test_alpha_keeps_its_values():
    images = torch.randn(16, 4, 4, 4)
    seen = rolled(ColourTransform(4), rows=16)(images, torch.tensor(1.0))
    assert torch.equal(seen[:, 3], images[:, 3])
    assert not torch.isclose(seen[:, :3], images[:, :3]).any(1).any()
    colours = rolled(ColourTransform(3), rows=16)(images[:, :3], torch.tensor(1.0))
    torch.testing.assert_close(seen[:, :3], colours)
