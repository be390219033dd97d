from __future__ import annotations

import pytest
import torch
from support.networks import assert_all_learn, assert_labels_matter, attention, convolution, count, normalise

from ganforge.api.data import DataSpec
from ganforge.builtin.networks.biggan import BigganDiscriminator, BigganGenerator, split_evenly
from ganforge.builtin.networks.biggan_deep import BigganDeepDiscriminator, BigganDeepGenerator
from ganforge.errors import RecipeError

PAIRS = [(BigganGenerator, BigganDiscriminator), (BigganDeepGenerator, BigganDeepDiscriminator)]
EACH = pytest.mark.parametrize(("makes", "scores"), PAIRS, ids=["biggan", "biggan-deep"])


def test_parameters_are_those_published_for_imagenet():
    """PyTorch-StudioGAN, configs/ImageNet/BigGAN-2048.yaml; the paper says 70.4 and 88.0 million."""
    data = DataSpec((3, 128, 128), 1000)
    with torch.device("meta"):
        assert count(BigganGenerator().build(data)) == 70_433_988
        assert count(BigganDiscriminator().build(data)) == 87_982_370


def test_parameters_are_those_published_for_cifar10():
    """PyTorch-StudioGAN, configs/CIFAR10/BigGAN.yaml: latents of 80, attention at 16x16."""
    data = DataSpec((3, 32, 32), 10)
    with torch.device("meta"):
        assert count(BigganGenerator(latent=80, attention=16).build(data)) == 9_416_196
        assert count(BigganDiscriminator(attention=16).build(data)) == 2_415_170


def test_parameters_of_biggan_deep_are_counted_by_hand():
    """The paper's table 7 at 128x128: width 128, latent and embedding 128, attention at 64x64.

    Its appendix B.2 says 50.4 and 34.6 million. The generator that the authors gave away makes 128 channels in its last
    convolution and shows three of them (huggingface/pytorch-pretrained-BigGAN, model.py); ours makes three.
    """
    data, ladder, steering = DataSpec((3, 128, 128), 1000), [128 * m for m in (16, 16, 8, 4, 2, 1)], 256
    generator = 1000 * 128 + steering * ladder[0] * 16 + ladder[0] * 16 + attention(256)
    for step, after in enumerate(ladder[1:]):
        before = ladder[step]
        inner = before // 4
        for last in (before, after):  # the second block doubles the resolution
            generator += convolution(before, inner, 1) + 2 * convolution(inner, inner, 3) + convolution(inner, last, 1)
            generator += 2 * steering * (before + 3 * inner)
    generator += 2 * 128 + convolution(128, 3, 3)
    ladder.reverse()
    discriminator = convolution(3, 128, 3) + attention(256) + 2048 + 1 + 1000 * 2048
    for step, after in enumerate(ladder[1:]):
        before, inner = ladder[step], after // 4
        added = convolution(before, after - before, 1) if after > before else 0
        for first in (before, after):  # the first block halves the resolution
            discriminator += convolution(first, inner, 1) + 2 * convolution(inner, inner, 3)
            discriminator += convolution(inner, after, 1)
        discriminator += added
    unused = convolution(128, 128, 3) - convolution(128, 3, 3)
    assert f"{(generator + unused) / 1e6:.1f} {discriminator / 1e6:.1f}" == "50.4 34.6"
    with torch.device("meta"):
        assert count(BigganDeepGenerator().build(data)) == generator
        assert count(BigganDeepDiscriminator().build(data)) == discriminator


@EACH
@pytest.mark.parametrize("resolution", [8, 16, 32, 64])
@pytest.mark.parametrize(("channels", "classes", "conditions"), [(1, 0, 0), (3, 5, 0), (4, 0, 2)])
def test_shapes_and_gradients_of_every_parameter(makes, scores, resolution, channels, classes, conditions):
    data = DataSpec((channels, resolution, resolution), classes, conditions=conditions)
    assert_all_learn(makes(latent=11, width=4, shared=6), scores(width=4), data, rows=5)


@EACH
@pytest.mark.parametrize("resolution", [128, 256, 512])
def test_shapes_of_large_images(makes, scores, resolution):
    data = DataSpec((3, resolution, resolution), 10)
    with torch.device("meta"):
        generator, discriminator = makes().build(data), scores().build(data)
        images = generator(torch.randn(2, generator.latent), torch.arange(2))
        assert images.shape == (2, *data.shape)
        assert discriminator(images, torch.arange(2)).shape == (2,)


@EACH
def test_labels_change_the_output(makes, scores):
    assert_labels_matter(makes(latent=8, width=8), scores(width=8))


def test_each_block_has_a_part_of_the_latent():
    """The last part reaches the last block only: its first norm's input does not depend on it."""
    assert split_evenly(120, 6) == [20] * 6
    assert split_evenly(80, 4) == [20] * 4
    assert split_evenly(11, 4) == [3, 3, 3, 2]
    generator = BigganGenerator(latent=11, width=4).build(DataSpec((1, 32, 32))).eval()
    inputs: list[torch.Tensor] = []
    for block in generator.path.blocks:
        block.register_forward_pre_hook(lambda module, given: inputs.append(given[0]))
    latents = torch.randn(1, 11, requires_grad=True)
    image = generator(latents)
    for index, size in enumerate((3, 6, 9)):
        (gradient,) = torch.autograd.grad(inputs[index].square().sum(), latents, retain_graph=True)
        assert gradient[0, :size].abs().min() > 0
        assert not gradient[0, size:].any()
    (gradient,) = torch.autograd.grad(image.sum(), latents)
    assert gradient.abs().min() > 0


def test_a_latent_too_short_to_be_split_is_refused_in_words():
    with pytest.raises(RecipeError, match="latent = 3 is too short: 3 blocks"):
        BigganGenerator(latent=3, width=2).build(DataSpec((1, 32, 32)))


@EACH
def test_weights_begin_orthogonal(makes, scores):
    torch.manual_seed(0)
    data = DataSpec((1, 16, 16), 3)
    for network in (makes(latent=8, width=4).build(data), scores(width=4).build(data)):
        for name, parameter in network.named_parameters():
            if parameter.dim() > 1:
                matrix = parameter.flatten(1)
                matrix = matrix if len(matrix) <= matrix.shape[1] else matrix.mT
                torch.testing.assert_close(matrix @ matrix.mT, torch.eye(len(matrix)), rtol=0, atol=1e-5, msg=name)


@EACH
def test_both_players_can_be_normalised_spectrally(makes, scores):
    torch.manual_seed(0)
    data = DataSpec((1, 16, 16), 3)
    generator, discriminator = makes(latent=8, width=4).build(data), scores(width=4).build(data)
    for network in (generator, discriminator):
        with torch.no_grad():
            for parameter in network.parameters():
                parameter *= 3
        normalise(network, iterations=100)
