from __future__ import annotations

import pytest
import torch
from torch import nn

from ganforge.api.data import DataSpec
from ganforge.builtin.networks.dcgan import DcganDiscriminator, DcganGenerator
from ganforge.errors import DataError


def count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize("layout", ["radford", "miyato"])
@pytest.mark.parametrize("resolution", [8, 16, 32, 64])
@pytest.mark.parametrize(("channels", "classes"), [(1, 0), (3, 5), (4, 0)])
def test_shapes_and_gradients_of_every_parameter(layout, resolution, channels, classes):
    data = DataSpec((channels, resolution, resolution), classes)
    generator = DcganGenerator(latent=6, width=4, layout=layout).build(data)
    discriminator = DcganDiscriminator(width=4, layout=layout).build(data)
    labels = torch.arange(5) if classes else None
    images = generator(torch.randn(5, 6), labels)
    logits = discriminator(images, labels)
    assert images.shape == (5, *data.shape)
    assert images.abs().max() <= 1
    assert logits.shape == (5,)
    (logits * torch.randn(5)).sum().backward()
    for network in (generator, discriminator):
        for name, parameter in network.named_parameters():
            assert parameter.grad is not None, name
            assert parameter.grad.abs().sum() > 0, name


def test_parameters_of_radford_are_counted_by_hand():
    data = DataSpec((3, 64, 64))
    convolutions = (512 * 256 + 256 * 128 + 128 * 64) * 16
    generator = 100 * 512 * 16 + convolutions + 64 * 3 * 16 + 3 + 2 * (512 + 256 + 128 + 64)
    discriminator = 3 * 64 * 16 + 64 + convolutions + 2 * (512 + 256 + 128) + 512 * 16 + 1
    assert count(DcganGenerator(latent=100).build(data)) == generator
    assert count(DcganDiscriminator().build(data)) == discriminator


def test_parameters_of_miyato_are_those_published_for_cifar10():
    """PyTorch-StudioGAN, configs/CIFAR10/DCGAN.yaml: the standard CNN of the SNGAN paper, latents of 128."""
    data = DataSpec((3, 32, 32))
    assert count(DcganGenerator(layout="miyato").build(data)) == 3_812_355
    assert count(DcganDiscriminator(layout="miyato").build(data)) == 2_931_009


@pytest.mark.parametrize("layout", ["radford", "miyato"])
def test_the_papers_guidelines(layout):
    data = DataSpec((3, 32, 32))
    generator = DcganGenerator(layout=layout).build(data)
    discriminator = DcganDiscriminator(layout=layout).build(data)
    parts = [*generator.modules(), *discriminator.modules()]
    assert not [part for part in parts if isinstance(part, nn.MaxPool2d | nn.AvgPool2d | nn.Upsample)]
    assert [part for part in generator.modules() if isinstance(part, nn.ReLU)]
    assert [part for part in discriminator.modules() if isinstance(part, nn.LeakyReLU)]
    for part in parts:
        if isinstance(part, nn.Conv2d | nn.ConvTranspose2d | nn.Linear) and part.weight.numel() > 10_000:
            assert part.weight.std().item() == pytest.approx(0.02, rel=0.05)
            assert abs(part.weight.mean().item()) < 0.001


@pytest.mark.parametrize("layout", ["radford", "miyato"])
def test_labels_change_the_output(layout):
    data = DataSpec((1, 16, 16), 3)
    generator = DcganGenerator(latent=4, width=8, layout=layout).build(data).eval()
    discriminator = DcganDiscriminator(width=8, layout=layout).build(data).eval()
    latents, images = torch.randn(1, 4).expand(3, 4), torch.randn(1, 1, 16, 16).expand(3, 1, 16, 16)
    assert len(generator(latents, torch.arange(3)).unique(dim=0)) == 3
    assert len(discriminator(images, torch.arange(3)).unique()) == 3


@pytest.mark.parametrize("layout", ["radford", "miyato"])
def test_batch_group_says_who_influences_whom(layout):
    images = torch.randn(4, 1, 16, 16)
    data = DataSpec((1, 16, 16))
    alone = DcganDiscriminator(width=8, norm="none", layout=layout).build(data)
    assert alone.batch_group == 1
    torch.testing.assert_close(alone(images)[:2], alone(images[:2]))
    together = DcganDiscriminator(width=8, layout=layout).build(data)
    assert together.batch_group == 0
    assert not torch.allclose(together(images)[:2], together(images[:2]), rtol=1e-3)


@pytest.mark.parametrize("shape", [(3, 24, 24), (3, 4, 4), (3, 16, 32), (2,)])
def test_other_shapes_are_refused_in_words(shape):
    with pytest.raises(DataError, match="mlp"):
        DcganGenerator().build(DataSpec(shape))
    with pytest.raises(DataError, match="mlp"):
        DcganDiscriminator().build(DataSpec(shape))
