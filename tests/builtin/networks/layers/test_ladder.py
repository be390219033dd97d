from __future__ import annotations

import pytest

from ganforge.api.data import DataSpec
from ganforge.builtin.networks.layers.ladder import nearest, of_discriminator, of_generator
from ganforge.builtin.networks.layers.pyramid import resolution_of
from ganforge.errors import DataError


def test_ladders_are_those_of_the_papers():
    """SNGAN's tables 4 and 6, BigGAN's tables 4 to 6; below and between them the same rule."""
    assert of_generator(32) == (4, 4, 4, 4)
    assert of_generator(128) == (16, 16, 8, 4, 2, 1)
    assert of_generator(256) == (16, 16, 8, 8, 4, 2, 1)
    assert of_generator(512) == (16, 16, 8, 8, 4, 2, 1, 1)
    assert of_discriminator(32, flat=2) == ((2, 2, 2, 2), 2)
    assert of_discriminator(128, flat=2) == ((1, 2, 4, 8, 16, 16), 5)
    assert of_discriminator(256, flat=2) == ((1, 2, 4, 8, 8, 16, 16), 6)


@pytest.mark.parametrize("resolution", [8, 16, 32, 64, 128, 256, 512, 1024, 2048])
def test_a_ladder_has_a_rung_for_each_resolution(resolution):
    ladder = of_generator(resolution)
    assert 4 * 2 ** (len(ladder) - 1) == resolution
    assert list(ladder) == sorted(ladder, reverse=True)
    widths, halvings = of_discriminator(resolution, flat=2)
    assert resolution >> halvings == (8 if 8 < resolution <= 32 else 4)
    assert len(widths) > halvings
    assert list(widths) == sorted(widths)


def test_attention_is_clipped_to_what_there_is():
    assert nearest(32, 8, 64) == 32
    assert nearest(32, 8, 16) == 16
    assert nearest(4, 8, 16) == 8


@pytest.mark.parametrize("shape", [(3, 24, 24), (3, 4, 4), (3, 16, 32), (2,)])
def test_other_shapes_are_refused_in_words(shape):
    with pytest.raises(DataError, match="mlp"):
        resolution_of(DataSpec(shape), "sngan")
    assert resolution_of(DataSpec((3, 64, 64)), "sngan") == 64
