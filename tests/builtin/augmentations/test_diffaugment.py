from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from ganforge.api.data import DataSpec
from ganforge.api.dice import Roll, roll_dice
from ganforge.builtin.augmentations.diffaugment import DiffAugment, DiffAugmentNetwork
from ganforge.builtin.augmentations.mirror import Mirror
from ganforge.errors import DataError


def build(recipe: DiffAugment, channels: int = 3, resolution: int = 16) -> DiffAugmentNetwork:
    network = recipe.build(DataSpec((channels, resolution, resolution)))
    assert isinstance(network, DiffAugmentNetwork)
    return network


def test_colours_are_changed_as_the_paper_says():
    network = build(DiffAugment())
    samples = torch.randn(3, 3, 16, 16, dtype=torch.float64)
    amounts = torch.tensor([[0.5, 0.5, 0.5], [0.9, 0.1, 0.2], [0.0, 0.9, 0.99]], dtype=torch.float64)
    seen = network.colour(samples, amounts).numpy()
    for sample, (brightness, saturation, contrast), result in zip(samples.numpy(), amounts.numpy(), seen, strict=True):
        expected = sample + brightness - 0.5
        expected = (expected - expected.mean(0)) * 2 * saturation + expected.mean(0)
        expected = (expected - expected.mean()) * (contrast + 0.5) + expected.mean()
        np.testing.assert_allclose(result, expected, atol=1e-12)
    np.testing.assert_allclose(seen[0], samples[0].numpy(), atol=1e-12)  # amounts of one half change nothing


def test_translations_move_zeros_in():
    network = build(DiffAugment())
    samples = torch.randn(3, 2, 16, 16)
    shifts = torch.tensor([[0, 0], [2, -1], [-2, 2]])
    seen = network.translate(samples, shifts).numpy()
    for sample, (down, right), result in zip(samples.numpy(), shifts.tolist(), seen, strict=True):
        wide = np.pad(sample, ((0, 0), (2, 2), (2, 2)))
        np.testing.assert_array_equal(result, wide[:, 2 - down : 18 - down, 2 - right : 18 - right])


def test_cutout_zeroes_a_square_of_half_the_side():
    network = build(DiffAugment())
    seen = network.cut(torch.ones(3, 2, 16, 16), torch.tensor([[8, 8], [0, 0], [16, 3]]))
    assert [(sample == 0).sum().item() for sample in seen] == [2 * 64, 2 * 16, 2 * 4 * 7]
    expected = torch.ones(16, 16)
    expected[4:12, 4:12] = 0
    assert torch.equal(seen[0, 0], expected)
    assert seen[1, 0, :4, :4].sum() == 0


def test_draws_cover_the_ranges_of_the_paper():
    network, rows = build(DiffAugment(policy=("translation",)), 1, 32), 4096
    roll_dice(network, Roll(0, "test", rows=rows, total=rows))
    impulse = torch.zeros(rows, 1, 32, 32)
    impulse[:, :, 16, 16] = 1
    places = network(impulse).flatten(1).argmax(1)
    bound = 5 * math.sqrt(rows / 9 * 8 / 9)
    for axis in (places // 32, places % 32):
        counts = torch.bincount(axis - 12, minlength=9)
        assert len(counts) == 9  # -4 .. 4 pixels: an eighth of 32
        assert (counts - rows / 9).abs().max() < bound


def test_brightness_is_uniform_around_zero():
    network, rows = build(DiffAugment(policy=("colour",)), 1, 8), 4096
    roll_dice(network, Roll(0, "test", rows=rows, total=rows))
    shift = network(torch.zeros(rows, 1, 8, 8))[:, 0, 0, 0]
    assert shift.min() >= -0.5
    assert shift.max() < 0.5
    assert abs(float(shift.mean())) < 5 * math.sqrt(1 / 12 / rows)
    assert float(shift.var()) == pytest.approx(1 / 12, rel=0.1)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_a_split_batch_sees_the_same_numbers(channels):
    network, samples = build(DiffAugment(), channels), torch.randn(8, channels, 16, 16)

    def seen(start: int, rows: int) -> Tensor:
        roll_dice(network, Roll(0, "test", 5, start, rows, 8))
        return network(samples[start : start + rows])

    torch.testing.assert_close(torch.cat([seen(0, 4), seen(4, 4)]), seen(0, 8))


def test_alpha_keeps_its_values_under_colour():
    network, samples = build(DiffAugment(policy=("colour",)), 4), torch.randn(8, 4, 16, 16)
    roll_dice(network, Roll(0, "test", rows=8, total=8))
    seen = network(samples)
    assert torch.equal(seen[:, 3], samples[:, 3])
    assert not torch.isclose(seen[:, :3], samples[:, :3]).flatten(1).all(1).any()


def test_derivatives_are_those_of_finite_differences():
    network = build(DiffAugment(), 3, 4)
    samples = torch.randn(2, 3, 4, 4, dtype=torch.float64, requires_grad=True)

    def seen(samples: Tensor) -> Tensor:
        roll_dice(network, Roll(3, "test", rows=2, total=2))
        return network(samples)

    assert torch.autograd.gradcheck(seen, (samples,))
    assert torch.autograd.gradgradcheck(lambda samples: seen(samples).tanh(), (samples,))


def test_bad_recipes_are_refused_in_words():
    with pytest.raises(ValidationError, match="named twice"):
        DiffAugment(policy=("cutout", "cutout"))
    with pytest.raises(ValidationError, match="colour"):
        DiffAugment(policy=("color",))
    for recipe in (DiffAugment(), Mirror()):
        with pytest.raises(DataError, match="square images"):
            recipe.build(DataSpec((2,)))


def test_mirror_flips_half_of_the_samples():
    rows = 4096
    network, samples = Mirror().build(DataSpec((1, 4, 4))), torch.randn(rows, 1, 4, 4)
    roll_dice(network, Roll(0, "test", rows=rows, total=rows))
    seen = network(samples)
    kept = (seen == samples).flatten(1).all(1)
    flipped = (seen == samples.flip(3)).flatten(1).all(1)
    assert torch.equal(kept, ~flipped)
    assert abs(int(flipped.sum()) - rows / 2) < 5 * math.sqrt(rows / 4)
    for start in (0, rows // 2):
        roll_dice(network, Roll(0, "test", 0, start, rows // 2, rows))
        assert torch.equal(network(samples[start : start + rows // 2]), seen[start : start + rows // 2])
