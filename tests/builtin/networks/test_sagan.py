from __future__ import annotations

import pytest
import torch
from support.networks import assert_all_learn, attention, count, normalise
from torch import nn

from ganforge.api.data import DataSpec
from ganforge.builtin.networks.layers.self_attention import SelfAttention
from ganforge.builtin.networks.sagan import SaganDiscriminator, SaganGenerator
from ganforge.builtin.networks.sngan import SnganDiscriminator, SnganGenerator


def attended(network: nn.Module, *inputs: torch.Tensor | None) -> list[int]:
    """The resolutions of the feature maps that self-attention is shown."""
    seen: list[int] = []
    for module in network.modules():
        if isinstance(module, SelfAttention):
            module.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0].shape[-1]))
    network(*inputs)
    return seen


@pytest.mark.parametrize(
    ("resolution", "asked", "generator", "discriminator"),
    [
        (128, 32, 32, 32),  # the paper's
        (64, 32, 32, 32),
        (32, 32, 16, 16),  # clipped: the discriminator's first block halves the image
        (32, 8, 8, 8),
        (16, 32, 8, 8),
        (8, 32, 8, 4),
        (32, 4, 8, 8),  # and its last feature map is 8x8
        (64, 4, 8, 4),
    ],
)
def test_attention_is_where_it_is_asked_for(resolution, asked, generator, discriminator):
    data = DataSpec((1, resolution, resolution))
    makes = SaganGenerator(latent=4, width=2, attention=asked).build(data)
    scores = SaganDiscriminator(width=2, attention=asked).build(data)
    assert attended(makes, torch.randn(2, 4)) == [generator]
    assert attended(scores, torch.randn(2, *data.shape)) == [discriminator]


def test_it_is_sngan_and_one_attention_for_each_player():
    """At 32x32 of the paper's 128x128, 4 and 2 times the width of 64: 256 channels in G, 128 in D."""
    data = DataSpec((3, 128, 128), 1000)
    with torch.device("meta"):
        assert count(SaganGenerator().build(data)) == count(SnganGenerator().build(data)) + attention(256)
        assert count(SaganDiscriminator().build(data)) == count(SnganDiscriminator().build(data)) + attention(128)


@pytest.mark.parametrize("resolution", [8, 16, 32, 64])
@pytest.mark.parametrize(("channels", "classes", "conditions"), [(1, 0, 0), (3, 5, 0), (4, 0, 2)])
def test_shapes_and_gradients_of_every_parameter(resolution, channels, classes, conditions):
    data = DataSpec((channels, resolution, resolution), classes, conditions=conditions)
    assert_all_learn(SaganGenerator(latent=6, width=2), SaganDiscriminator(width=2), data, rows=3)


def test_both_players_can_be_normalised_spectrally():
    torch.manual_seed(0)
    data = DataSpec((1, 16, 16), 3)
    generator, discriminator = SaganGenerator(latent=4, width=4).build(data), SaganDiscriminator(width=4).build(data)
    for network in (generator, discriminator):
        normalise(network, iterations=50)
    images = generator(torch.randn(3, 4), torch.arange(3))
    assert discriminator(images, torch.arange(3)).isfinite().all()
