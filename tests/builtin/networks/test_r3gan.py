from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganforge.api.data import DataSpec
from ganforge.builtin.networks.layers.fixup_blocks import HE_GAIN, FixupBlock, HeConvolution
from ganforge.builtin.networks.r3gan import (
    R3GANDiscriminator,
    R3GANDiscriminatorNetwork,
    R3GANGenerator,
    R3GANGeneratorNetwork,
)
from ganforge.errors import DataError, RecipeError

SMALL = {"channel_base": 256, "channel_max": 16, "group_width": 8}


def generator(data: DataSpec, **fields: int) -> R3GANGeneratorNetwork:
    torch.manual_seed(0)
    return R3GANGenerator(**{**SMALL, "latent": 12, **fields}).build(data)  # type: ignore[arg-type]


def discriminator(data: DataSpec, **fields: int) -> R3GANDiscriminatorNetwork:
    torch.manual_seed(1)
    return R3GANDiscriminator(**{**SMALL, **fields}).build(data)  # type: ignore[arg-type]


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def awake(module: nn.Module) -> None:
    """Let the residual branches, which begin at 0, say something."""
    for child in module.modules():
        if isinstance(child, FixupBlock):
            nn.init.normal_(child.narrow.weight, 0.0, 0.1)


# Counts of brownvc/R3GAN, R3GAN/Networks.py, presets CIFAR10 (conditional) and FFHQ-256.
@pytest.mark.parametrize(
    ("data", "of_generator", "of_discriminator"),
    [
        (DataSpec((3, 32, 32), 10), 20_781_952, 21_280_512),
        (DataSpec((3, 256, 256)), 23_057_952, 23_009_568),
    ],
)
def test_as_many_parameters_as_the_authors(data: DataSpec, of_generator: int, of_discriminator: int) -> None:
    with torch.device("meta"):
        assert count(R3GANGenerator().build(data)) == of_generator
        assert count(R3GANDiscriminator().build(data)) == of_discriminator


@pytest.mark.parametrize("resolution", [8, 16, 32, 64])
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("conditions", [{}, {"classes": 5}, {"conditions": 2}])
def test_shapes_and_gradients_reach_every_parameter(resolution: int, channels: int, conditions: dict[str, int]) -> None:
    data = DataSpec((channels, resolution, resolution), **conditions)
    ours, theirs = generator(data), discriminator(data)
    awake(ours)
    awake(theirs)
    draw = torch.Generator().manual_seed(3)
    labels = torch.arange(8) % 5 if data.classes else torch.rand(8, 2, generator=draw) if data.conditions else None
    images = ours(torch.randn(8, 12, generator=draw), labels)
    assert images.shape == (8, channels, resolution, resolution)
    logits = theirs(images, labels)
    assert logits.shape == (8,)
    F.softplus(-logits).mean().backward()
    for network in (ours, theirs):
        for name, parameter in network.named_parameters():
            assert parameter.grad is not None, name
            assert parameter.grad.abs().sum() > 0, name


def test_residual_branches_begin_at_nothing() -> None:
    block = FixupBlock(16, 32, 8, 6)
    hidden = torch.randn(2, 16, 5, 5)
    assert torch.equal(block(hidden), hidden)
    data = DataSpec((1, 16, 16))
    network = discriminator(data)
    linear = network(torch.ones(1, 1, 16, 16)) + network(torch.zeros(1, 1, 16, 16))
    torch.testing.assert_close(linear, network(torch.full((1, 1, 16, 16), 2.0)) / 2, msg="linear at first")


def test_fixup_scales_the_layers_before_the_last() -> None:
    """He's standard deviation times L^(-1/4) for L branches of three layers (Zhang et al. 2019, sec. 3)."""
    torch.manual_seed(0)
    for network, depth in ((generator(DataSpec((1, 32, 32)), channel_max=64, channel_base=2048, blocks=2), 8),):
        blocks = [child for child in network.modules() if isinstance(child, FixupBlock)]
        assert len(blocks) == depth
        for block in blocks:
            assert block.widen.weight.std().item() == pytest.approx(HE_GAIN / 64**0.5 * depth**-0.25, rel=0.05)
            assert block.mix.weight.std().item() == pytest.approx(HE_GAIN / (8 * 9) ** 0.5 * depth**-0.25, rel=0.05)
            assert block.narrow.weight.abs().sum() == 0


def test_a_block_is_its_formula() -> None:
    torch.manual_seed(0)
    block = FixupBlock(8, 16, 4, 4).double()
    awake(block)
    nn.init.normal_(block.widen.bias)
    nn.init.normal_(block.mix.bias)
    hidden = torch.randn(2, 8, 6, 6, dtype=torch.float64)
    wide = F.leaky_relu(F.conv2d(hidden, block.widen.weight) + block.widen.bias.view(1, -1, 1, 1), 0.2)
    parts = [
        F.conv2d(part, kernel, padding=1)
        for part, kernel in zip(wide.split(4, 1), block.mix.weight.split(4), strict=True)
    ]
    mixed = F.leaky_relu(torch.cat(parts, 1) + block.mix.bias.view(1, -1, 1, 1), 0.2)
    torch.testing.assert_close(block(hidden), hidden + F.conv2d(mixed, block.narrow.weight))


def test_enlarging_is_bilinear() -> None:
    network = generator(DataSpec((1, 16, 16)))
    enlarge = network.layers[1]
    images = torch.randn(2, 16, 4, 4)
    ours = enlarge(images)[:, :, 2:-2, 2:-2]  # beyond the edge we see zeros, and torch the edge itself
    theirs = F.interpolate(images, scale_factor=2, mode="bilinear", align_corners=False)[:, :, 2:-2, 2:-2]
    torch.testing.assert_close(ours, theirs)


def test_penalties_differentiate_twice() -> None:
    network = discriminator(DataSpec((1, 8, 8)), channel_max=8, group_width=4).double()
    awake(network)
    samples = torch.randn(2, 1, 8, 8, dtype=torch.float64)

    def penalty(weight: Tensor, samples: Tensor) -> Tensor:
        logits = torch.func.functional_call(network, {"layers.0.0.mix.weight": weight}, (samples,))
        (slope,) = torch.autograd.grad(logits.sum(), samples, create_graph=True)
        return slope.square().sum()

    weight = network.layers[0][0].mix.weight
    samples.requires_grad_()
    (gradient,) = torch.autograd.grad(penalty(weight, samples), weight)
    step = torch.randn(weight.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1)) * 1e-5
    by_difference = penalty(weight + step, samples) - penalty(weight - step, samples)
    torch.testing.assert_close((gradient * step).sum() * 2, by_difference, rtol=1e-4, atol=0)


def test_labels_matter() -> None:
    data = DataSpec((1, 16, 16), 4)
    ours, theirs = generator(data), discriminator(data)
    latents, images = torch.randn(3, 12), torch.randn(3, 1, 16, 16)
    labels = [torch.full((3,), label) for label in range(2)]
    assert (ours(latents, labels[0]) - ours(latents, labels[1])).abs().amax((1, 2, 3)).min() > 1e-3
    assert (theirs(images, labels[0]) - theirs(images, labels[1])).abs().min() > 1e-5


def test_the_score_of_a_label_is_a_product_with_its_embedding() -> None:
    data = DataSpec((1, 8, 8), 3)
    network = discriminator(data)
    assert network.embed is not None
    images, labels = torch.randn(3, 1, 8, 8), torch.tensor([2, 0, 1])
    logits, (*_, last) = network.forward_features(images, labels)
    assert last.shape == (3, network.width)
    scores = last @ network.score.weight.flatten(1).t()
    torch.testing.assert_close(logits, (scores * network.embed.weight.flatten(1).t()[labels]).sum(1))


def test_a_1x1_convolution_is_torch_s() -> None:
    layer = HeConvolution(5, 7)
    images = torch.randn(2, 5, 4, 4)
    torch.testing.assert_close(layer(images), F.conv2d(images, layer.weight))


@pytest.mark.parametrize("resolution", [4, 12, 100])
def test_other_resolutions_are_refused(resolution: int) -> None:
    data = DataSpec((1, resolution, resolution))
    for recipe in (R3GANGenerator(), R3GANDiscriminator()):
        with pytest.raises(DataError, match="8, 16, 32"):
            recipe.build(data)


def test_channels_that_do_not_fit_their_groups_are_refused() -> None:
    with pytest.raises(RecipeError, match="groups of 16"):
        R3GANGenerator(channel_max=36).build(DataSpec((1, 8, 8)))
    with pytest.raises(RecipeError, match="channel_base = 16"):
        R3GANDiscriminator(channel_base=16).build(DataSpec((1, 32, 32)))
