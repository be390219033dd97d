"""ProGAN's networks: the paper's layers, and growth that never jumps."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganforge.api.data import DataSpec
from ganforge.builtin.networks.layers.box_convolution import BoxConv
from ganforge.builtin.networks.layers.channel_schedule import channels_by_resolution
from ganforge.builtin.networks.layers.pixel_norm import pixel_norm
from ganforge.builtin.networks.layers.progressive_growing import downsample, fade_in, upsample
from ganforge.builtin.networks.progan import InitialBlock, ProGANDiscriminator, ProGANGenerator
from ganforge.errors import DataError, RecipeError

SMALL = {"channel_base": 64, "channel_max": 8}
B = 4


def generator(spec: DataSpec, **fields: int) -> nn.Module:
    return ProGANGenerator(latent=8, **{**SMALL, **fields}).build(spec)


def discriminator(spec: DataSpec) -> nn.Module:
    return ProGANDiscriminator(**SMALL).build(spec)


def labels_of(spec: DataSpec) -> Tensor | None:
    return torch.arange(B) % spec.classes if spec.classes else None


def parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def test_parameter_counts_at_1024():
    """The paper's table 2, layer by layer: 512 channels up to 32x32, then fir_downsample; a 1x1 layer per resolution.

    The authors' code prints 23,079,115 and 23,087,249 (tkarras/progressive_growing_of_gans); the paper says 23.1M.
    """

    def convolution(inputs: int, outputs: int, kernel: int = 3) -> int:
        return kernel**2 * inputs * outputs + outputs

    widths = {4: 512, 8: 512, 16: 512, 32: 512, 64: 256, 128: 128, 256: 64, 512: 32, 1024: 16}
    ups = [(widths[size // 2], widths[size]) for size in widths if size > 4]
    made = convolution(512, 512, 4) + convolution(512, 512)  # the 4x4 layers
    made += sum(convolution(low, high) + convolution(high, high) for low, high in ups)
    made += sum(convolution(width, 3, 1) for width in widths.values())
    scored = sum(convolution(high, high) + convolution(high, low) for low, high in ups)
    scored += convolution(513, 512) + convolution(512, 512, 4) + convolution(512, 1, 1)
    scored += sum(convolution(3, width, 1) for width in widths.values())
    assert (made, scored) == (23_079_115, 23_087_249)
    spec = DataSpec((3, 1024, 1024))
    with torch.device("meta"):
        assert parameters(ProGANGenerator().build(spec)) == made
        assert parameters(ProGANDiscriminator().build(spec)) == scored


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("classes", [0, 3])
def test_shapes_at_all_stages(channels: int, classes: int):
    spec = DataSpec((channels, 32, 32), classes)
    made, scored = generator(spec), discriminator(spec)
    assert made.resolutions == scored.resolutions == (4, 8, 16, 32)
    for resolution in made.resolutions:
        for blend in (1.0,) if resolution == 4 else (0.0, 0.4, 1.0):
            made.grow(resolution, blend)
            scored.grow(resolution, blend)
            samples = made(torch.randn(B, 8), labels_of(spec))
            assert samples.shape == (B, channels, resolution, resolution)
            logits, activations = scored.forward_features(samples, labels_of(spec))
            assert logits.shape == (B,)
            assert activations[-1].shape == (B, scored.width)
            assert [a.shape[2] for a in activations[:-1]] == [2**n for n in range(resolution.bit_length() - 2, 1, -1)]


def test_a_new_resolution_comes_in_without_a_jump():
    """At blend 0 the grown network is the old one between boxes; at 1 the new one; in between it is linear."""
    spec = DataSpec((3, 16, 16), 3)
    made, scored = generator(spec).double(), discriminator(spec).double()
    latents, labels = torch.randn(B, 8).double(), labels_of(spec)
    for low, high in ((4, 8), (8, 16)):
        made.grow(low)
        scored.grow(low)
        old = made(latents, labels)
        opinion = scored(old, labels)
        images = {}
        for blend in (0.0, 0.25, 1.0):
            made.grow(high, blend)
            images[blend] = made(latents, labels)
        torch.testing.assert_close(images[0.0], old.repeat_interleave(2, 2).repeat_interleave(2, 3))
        torch.testing.assert_close(images[0.25], 0.75 * images[0.0] + 0.25 * images[1.0])
        assert not torch.allclose(images[0.0], images[1.0])
        scored.grow(high, 0.0)
        torch.testing.assert_close(scored(images[0.0], labels), opinion)
        scored.grow(high, 1.0)
        assert not torch.allclose(scored(images[0.0], labels), opinion)


def test_what_a_stage_does_not_use_has_no_gradient():
    spec = DataSpec((1, 16, 16))
    made, scored = generator(spec), discriminator(spec)

    def used(resolution: int, blend: float) -> set[str]:
        for network in (made, scored):
            network.zero_grad()
            network.grow(resolution, blend)
        scored(made(torch.randn(B, 8))).sum().backward()
        both = nn.ModuleDict({"made": made, "scored": scored})
        names = [n for n, p in both.named_parameters() if p.grad is not None and ("image" in n or "blocks" in n)]
        return {".".join(name.split(".")[:3]) for name in names}

    assert used(4, 1.0) == {"made.to_image.0", "scored.from_image.0"}
    eight = {"made.blocks.0", "made.to_image.1", "scored.blocks.0", "scored.from_image.1"}
    assert used(8, 0.5) == eight | {"made.to_image.0", "scored.from_image.0"}
    assert used(8, 1.0) == eight


def test_a_stage_that_is_none():
    network = generator(DataSpec((1, 16, 16)))
    for resolution, blend in ((32, 1.0), (12, 1.0), (8, 1.5), (4, 0.5)):
        with pytest.raises(ValueError, match=str(resolution)):
            network.grow(resolution, blend)
    assert (network.resolution, network.blend) == (16, 1.0), "full resolution unless told otherwise"


def test_pixel_norm_has_unit_mean_square():
    features = torch.randn(3, 5, 4, 4, dtype=torch.float64) * 10
    normed = pixel_norm(features)
    torch.testing.assert_close(normed.square().mean(1), torch.ones(3, 4, 4, dtype=torch.float64))
    torch.testing.assert_close(normed * features.norm(dim=1, keepdim=True) / 5**0.5, features)


def test_the_generator_norms_every_layer_and_its_latents():
    network, inputs = generator(DataSpec((1, 16, 16))), []
    for module in (network.refine, *network.to_image, *network.blocks):
        module.register_forward_pre_hook(lambda module, args: inputs.append(args[0]))
    plain = network(torch.randn(B, 8))
    assert len(inputs) == 4, "the first convolution, two blocks, colours"
    for features in inputs:
        torch.testing.assert_close(features.square().mean(1), torch.ones_like(features[:, 0]), rtol=1e-4, atol=1e-4)
    latents, network = torch.randn(B, 8, dtype=torch.float64), network.double()
    torch.testing.assert_close(network(latents), network(latents * 7)), "points on a hypersphere"
    assert plain.shape == (B, 1, 16, 16)


@pytest.mark.parametrize("up", [True, False])
def test_a_box_convolution_is_a_box_and_a_convolution(up: bool):
    """Nearest neighbours and a 3x3 convolution, or that and the mean of boxes: borders included."""
    layer = BoxConv(3, 5, up=up).double()
    nn.init.normal_(layer.bias)
    images = torch.randn(2, 3, 6, 6, dtype=torch.float64)
    weight, bias = layer.weight * (2 / 27) ** 0.5, layer.bias * 2**0.5  # He's constant, used at run time (sec. 4.1)
    if up:
        expected = F.conv2d(images.repeat_interleave(2, 2).repeat_interleave(2, 3), weight, bias, padding=1)
    else:
        expected = F.avg_pool2d(F.conv2d(images, weight, bias, padding=1), 2)
    torch.testing.assert_close(layer(images), F.leaky_relu(expected, 0.2))


def test_the_learning_rate_is_equalised():
    """Weights begin at N(0, 1) in every layer whatever its width, and what comes out has a mean square near 1."""
    torch.manual_seed(0)
    network = ProGANGenerator(latent=64, channel_base=512, channel_max=64).build(DataSpec((3, 32, 32)))
    for name, parameter in network.named_parameters():
        if name.endswith("weight"):
            assert abs(parameter.std().item() - 1) < 4 / math.sqrt(2 * parameter.numel()), name  # four standard errors
        else:
            assert parameter.abs().max() == 0, name
    seed = InitialBlock(400, 64)
    with torch.no_grad():
        out = seed(torch.randn(500, 400))
    slope = 0.2
    assert out.square().mean().item() == pytest.approx(2 * (1 + slope**2) / 2, rel=0.05)


def test_real_images_fade_along():
    """Closed form: half of each pixel, and half of the mean of its box."""
    images = torch.arange(16.0).view(1, 1, 4, 4)
    half = torch.tensor([[2.5, 4.5], [10.5, 12.5]])
    assert torch.equal(downsample(images, 2)[0, 0], half)
    assert torch.equal(fade_in(images, 2, 1.0)[0, 0], half)
    assert torch.equal(fade_in(images, 2, 0.0)[0, 0], torch.full((2, 2), 7.5))
    assert torch.equal(fade_in(images, 4, 0.5)[0, 0, 0], torch.tensor([1.25, 1.75, 3.25, 3.75]))
    assert fade_in(images, 4, 1.0) is images
    assert torch.equal(upsample(downsample(images, 2), 4)[0, 0, 3], torch.tensor([10.5, 10.5, 12.5, 12.5]))


def test_neighbours_matter_in_groups():
    network = discriminator(DataSpec((1, 8, 8)))
    samples = torch.randn(8, 1, 8, 8)
    together, apart = network(samples), torch.cat([network(part) for part in samples.split(4)])
    torch.testing.assert_close(together, apart)
    assert not torch.allclose(network(samples[:1]), together[:1])


def test_what_it_refuses():
    with pytest.raises(DataError, match=r"progan makes and scores images of 8, 16, .* the data have 24"):
        generator(DataSpec((1, 24, 24)))
    with pytest.raises(RecipeError, match="channel_base = 16 leaves less than one channel at resolution 32"):
        generator(DataSpec((1, 32, 32)), channel_base=16)
    assert channels_by_resolution("progan", DataSpec((1, 32, 32)), 64, 12, 16_384) == {4: 12, 8: 8, 16: 4, 32: 2}
