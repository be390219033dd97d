from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from support.networks import assert_all_learn, assert_labels_matter, convolution, count, normalise

from ganforge.api.data import DataSpec
from ganforge.builtin.networks.sngan import SnganDiscriminator, SnganGenerator
from ganforge.errors import DataError


def test_parameters_are_those_published_for_cifar10():
    """PyTorch-StudioGAN, configs/CIFAR10/SNGAN.yaml: app. B.4's network, conditional, latents of 128."""
    data = DataSpec((3, 32, 32), 10)
    with torch.device("meta"):
        assert count(SnganGenerator().build(data)) == 4_304_387
        assert count(SnganDiscriminator().build(data)) == 1_055_105


def test_parameters_of_the_imagenet_network_are_counted_by_hand():
    """Table 6: 1024 channels at 4x4 to 64 at 128x128, and back; no labels."""
    ladder = [1024, 1024, 512, 256, 128, 64]
    generator = 128 * 1024 * 16 + 1024 * 16 + 2 * 64 + convolution(64, 3, 3)
    for before, after in pairwise(ladder):
        generator += convolution(before, after, 3) + convolution(after, after, 3) + convolution(before, after, 1)
        generator += 2 * before + 2 * after  # BatchNorm
    discriminator = 1024 + 1
    ladder = [3, 64, 128, 256, 512, 1024]
    for before, after in pairwise(ladder):
        discriminator += convolution(before, after, 3) + convolution(after, after, 3) + convolution(before, after, 1)
    discriminator += 2 * convolution(1024, 1024, 3)
    data = DataSpec((3, 128, 128))
    with torch.device("meta"):
        assert count(SnganGenerator().build(data)) == generator
        assert count(SnganDiscriminator().build(data)) == discriminator


@pytest.mark.parametrize("resolution", [8, 16, 32, 64, 128])
@pytest.mark.parametrize(("channels", "classes", "conditions"), [(1, 0, 0), (3, 5, 0), (4, 0, 2)])
def test_shapes_and_gradients_of_every_parameter(resolution, channels, classes, conditions):
    data = DataSpec((channels, resolution, resolution), classes, conditions=conditions)
    assert_all_learn(SnganGenerator(latent=6, width=2), SnganDiscriminator(width=2), data, rows=3)


def test_last_activation_is_what_the_last_layer_scores():
    discriminator = SnganDiscriminator(width=4).build(DataSpec((1, 16, 16)))
    logits, activations = discriminator.forward_features(torch.randn(2, 1, 16, 16))
    torch.testing.assert_close(discriminator.head.score(activations[-1])[:, 0], logits)


def test_labels_change_the_output():
    assert_labels_matter(SnganGenerator(latent=4, width=8), SnganDiscriminator(width=8))


def test_no_sample_influences_anothers_score():
    discriminator = SnganDiscriminator(width=4).build(DataSpec((1, 32, 32)))
    assert discriminator.batch_group == 1
    images = torch.randn(4, 1, 32, 32)
    torch.testing.assert_close(discriminator(images)[:2], discriminator(images[:2]))


def test_spectral_normalisation_takes_every_matrix_and_counts_once():
    """Real singular values after a few steps of the power iteration, by torch.linalg."""
    torch.manual_seed(0)
    discriminator = SnganDiscriminator(width=4).build(DataSpec((3, 16, 16), 3))
    before = count(discriminator)
    layers = normalise(discriminator, iterations=50)
    assert len(layers) == 3 + 2 + 2 + 2  # a first block of three convolutions, two of two, the score and the embedding
    assert count(discriminator) == before


@pytest.mark.parametrize("shape", [(3, 24, 24), (3, 4, 4), (2,)])
def test_other_shapes_are_refused_in_words(shape):
    with pytest.raises(DataError, match="mlp"):
        SnganGenerator().build(DataSpec(shape))
    with pytest.raises(DataError, match="mlp"):
        SnganDiscriminator().build(DataSpec(shape))
