from __future__ import annotations

import pytest
import torch

from ganforge.api.data import DataSpec
from ganforge.builtin.networks.mlp import MlpDiscriminator, MlpGenerator

SPECS = [DataSpec((2,)), DataSpec((2,), 8), DataSpec((1, 8, 8)), DataSpec((3, 16, 16), 3), DataSpec((4, 8, 12))]


def some_labels(data: DataSpec, rows: int) -> torch.Tensor | None:
    return torch.arange(rows) % data.classes if data.classes else None


@pytest.mark.parametrize("data", SPECS, ids=str)
def test_shapes_and_gradients_of_every_parameter(data):
    generator, discriminator = MlpGenerator(latent=5).build(data), MlpDiscriminator().build(data)
    labels = some_labels(data, 6)
    samples = generator(torch.randn(6, 5), labels)
    logits = discriminator(samples, labels)
    assert samples.shape == (6, *data.shape)
    assert logits.shape == (6,)
    logits.sum().backward()
    for network in (generator, discriminator):
        for name, parameter in network.named_parameters():
            assert parameter.grad is not None, name
            assert parameter.grad.abs().sum() > 0, name


def test_parameters_are_counted_by_hand():
    data = DataSpec((2,), 4)
    generator = MlpGenerator(latent=3, width=10, depth=2).build(data)
    discriminator = MlpDiscriminator(width=10, depth=1).build(data)
    assert sum(p.numel() for p in generator.parameters()) == (3 + 4 + 1) * 10 + 11 * 10 + 11 * 2
    assert sum(p.numel() for p in discriminator.parameters()) == (2 + 4 + 1) * 10 + 11


def test_images_are_bounded_and_points_are_not():
    for shape, bounded in (((1, 8, 8), True), ((2,), False)):
        generator = MlpGenerator(latent=4).build(DataSpec(shape))
        with torch.no_grad():
            for parameter in generator.parameters():
                parameter.mul_(20)
            assert bool((generator(torch.randn(32, 4)).abs() <= 1).all()) is bounded


@pytest.mark.parametrize("activation", ["relu", "leaky-relu", "silu", "tanh"])
def test_labels_change_the_output(activation):
    data = DataSpec((2,), 3)
    generator = MlpGenerator(latent=4, activation=activation).build(data)
    discriminator = MlpDiscriminator(activation=activation).build(data)
    latents, points = torch.randn(1, 4).expand(3, 4), torch.randn(1, 2).expand(3, 2)
    assert len(generator(latents, torch.arange(3)).unique(dim=0)) == 3
    assert len(discriminator(points, torch.arange(3)).unique()) == 3


def test_samples_do_not_influence_each_other():
    discriminator = MlpDiscriminator().build(DataSpec((2,)))
    assert discriminator.batch_group == 1
    points = torch.randn(7, 2)
    torch.testing.assert_close(discriminator(points)[3:4], discriminator(points[3:4]))
