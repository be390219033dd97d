from __future__ import annotations

import pytest

from ganforge.api.data import DataSpec
from ganforge.builtin.networks.layers.channel_schedule import resolution_of
from ganforge.builtin.networks.layers.width_multipliers import (
    attention_resolution,
    discriminator_multipliers,
    generator_multipliers,
)
from ganforge.errors import DataError


def test_multiples_are_those_of_the_papers():
    """SNGAN's tables 4 and 6, BigGAN's tables 4 to 6; below and between them the same rule."""
    assert generator_multipliers(32) == (4, 4, 4, 4)
    assert generator_multipliers(128) == (16, 16, 8, 4, 2, 1)
    assert generator_multipliers(256) == (16, 16, 8, 8, 4, 2, 1)
    assert generator_multipliers(512) == (16, 16, 8, 8, 4, 2, 1, 1)
    assert discriminator_multipliers(32, uniform=2) == ((2, 2, 2, 2), 2)
    assert discriminator_multipliers(128, uniform=2) == ((1, 2, 4, 8, 16, 16), 5)
    assert discriminator_multipliers(256, uniform=2) == ((1, 2, 4, 8, 8, 16, 16), 6)


@pytest.mark.parametrize("resolution", [8, 16, 32, 64, 128, 256, 512, 1024, 2048])
def test_there_is_a_multiple_for_each_resolution(resolution):
    multipliers = generator_multipliers(resolution)
    assert 4 * 2 ** (len(multipliers) - 1) == resolution
    assert list(multipliers) == sorted(multipliers, reverse=True)
    widths, halvings = discriminator_multipliers(resolution, uniform=2)
    assert resolution >> halvings == (8 if 8 < resolution <= 32 else 4)
    assert len(widths) > halvings
    assert list(widths) == sorted(widths)


def test_attention_is_clipped_to_what_there_is():
    assert attention_resolution(32, 8, 64) == 32
    assert attention_resolution(32, 8, 16) == 16
    assert attention_resolution(4, 8, 16) == 8


@pytest.mark.parametrize("shape", [(3, 24, 24), (3, 4, 4), (3, 16, 32), (2,)])
def test_other_shapes_are_refused_in_words(shape):
    with pytest.raises(DataError, match="mlp"):
        resolution_of(DataSpec(shape), "sngan")
    assert resolution_of(DataSpec((3, 64, 64)), "sngan") == 64
