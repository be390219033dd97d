"""StyleGAN's networks: styles by AdaIN, noise, mixing, truncation, and growth."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganforge.api.data import DataSpec
from ganforge.api.dice import Roll, roll_dice
from ganforge.builtin.networks.layers.adaptive_norm import LayerEpilogue, adaptive_norm
from ganforge.builtin.networks.layers.box_convolution import BilinearConv
from ganforge.builtin.networks.progan import downsampling_block
from ganforge.builtin.networks.stylegan import StyleGANDiscriminator, StyleGANGenerator

SMALL = {"channel_base": 64, "channel_max": 8}
B = 4
DOUBLE = torch.float64


def generator(spec: DataSpec, **fields: float) -> nn.Module:
    network = StyleGANGenerator(**{"latent": 8, "style": 6, "mapping_layers": 2, **SMALL, **fields}).build(spec)
    for name, parameter in network.named_parameters():
        if "noise_strength" in name:
            nn.init.constant_(parameter, 0.3)
    return network


def roll(network: nn.Module, rows: int = B) -> None:
    roll_dice(network, Roll(5, "test", rows=rows, total=rows))


def parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def test_parameter_counts_at_1024():
    """Layer by layer, as figure 1b has them: 26.2M; 26,219,627 in the README of NVlabs/stylegan ("Total")."""

    def dense(inputs: int, outputs: int) -> int:
        return inputs * outputs + outputs

    def layer(width: int) -> int:
        """Scales of the noise, biases, and from a style to a scale and a shift for each channel."""
        return width + width + dense(512, 2 * width)

    widths = {4: 512, 8: 512, 16: 512, 32: 512, 64: 256, 128: 128, 256: 64, 512: 32, 1024: 16}
    made = 8 * dense(512, 512) + 512 * 16 + layer(512) + 9 * 512 * 512 + layer(512)
    for size, width in widths.items():
        made += dense(width, 3)
        if size > 4:
            made += 9 * widths[size // 2] * width + layer(width) + 9 * width * width + layer(width)
    assert made == 26_219_627
    spec = DataSpec((3, 1024, 1024))
    with torch.device("meta"):
        network = StyleGANGenerator().build(spec)
        assert parameters(network) == made
        assert network.layers == 18
        assert parameters(StyleGANDiscriminator().build(spec)) == 23_087_249  # ProGAN's: filters have no weights


def test_adain_is_what_equation_1_says():
    images = torch.randn(2, 3, 5, 5, dtype=DOUBLE) * 4 + 2
    scales, shifts = torch.randn(2, 3, dtype=DOUBLE), torch.randn(2, 3, dtype=DOUBLE)
    found = adaptive_norm(images, scales, shifts, eps=0.0)
    for sample in range(2):
        for channel in range(3):
            pixels = images[sample, channel]
            normal = (pixels - pixels.mean()) / pixels.std(correction=0)
            expected = scales[sample, channel] * normal + shifts[sample, channel]
            torch.testing.assert_close(found[sample, channel], expected, rtol=1e-6, atol=1e-6)
    assert adaptive_norm(torch.ones(1, 1, 4, 4), torch.ones(1, 1), torch.full((1, 1), 3.0)).eq(3).all(), "flat ones too"


def test_an_epilogue_is_noise_bias_rectifier_and_style():
    layer = LayerEpilogue(3, 6).double()
    for parameter in layer.parameters():
        nn.init.normal_(parameter)
    images, style, noise = (torch.randn(*shape, dtype=DOUBLE) for shape in ((2, 3, 4, 4), (2, 6), (2, 1, 4, 4)))
    scales, shifts = F.linear(style, layer.affine.weight / 6**0.5, layer.affine.bias).chunk(2, 1)
    noisy = images + layer.noise_strength.view(3, 1, 1) * noise + layer.bias.view(3, 1, 1)
    expected = adaptive_norm(F.leaky_relu(noisy, 0.2), 1 + scales, shifts)
    torch.testing.assert_close(layer(images, style, noise), expected)


def binomial(images: Tensor) -> Tensor:
    taps = torch.tensor([1.0, 2.0, 1.0], dtype=images.dtype) / 4
    kernel = torch.outer(taps, taps).expand(images.shape[1], 1, 3, 3)
    return F.conv2d(images, kernel, padding=1, groups=images.shape[1])


def test_enlarging_is_bilinear():
    """Nearest neighbours, convolution (the kernel turned), binomial filter of 3 taps, but for pixels at the border."""
    layer = BilinearConv(3, 5).double()
    images = torch.randn(2, 3, 8, 8, dtype=DOUBLE)
    boxes = images.repeat_interleave(2, 2).repeat_interleave(2, 3)
    expected = binomial(F.conv2d(boxes, layer.weight.flip(2, 3) * (2 / 27) ** 0.5, padding=1))
    found = layer(images)
    assert found.shape == (2, 5, 16, 16)
    torch.testing.assert_close(found[..., 2:-2, 2:-2], expected[..., 2:-2, 2:-2])


def test_shrinking_filters_first():
    block = downsampling_block(3, 5, blur=True).double()
    images = torch.randn(2, 3, 16, 16, dtype=DOUBLE)
    refined = block[0](images)
    convolved = F.conv2d(binomial(refined), block[2].weight * (2 / 27) ** 0.5, padding=1)
    expected = F.leaky_relu(F.avg_pool2d(convolved, 2), 0.2)
    torch.testing.assert_close(block(images)[..., 1:-1, 1:-1], expected[..., 1:-1, 1:-1])


@pytest.mark.parametrize(("channels", "classes"), [(1, 3), (3, 0), (4, 3)])
def test_shapes_at_all_stages(channels: int, classes: int):
    spec = DataSpec((channels, 32, 32), classes)
    made, scored = generator(spec), StyleGANDiscriminator(**SMALL).build(spec)
    labels = torch.arange(B) % classes if classes else None
    for level, resolution in enumerate(made.resolutions):
        for blend in (1.0,) if resolution == 4 else (0.0, 0.4, 1.0):
            made.grow(resolution, blend)
            scored.grow(resolution, blend)
            roll(made)
            styles = made.styles(torch.randn(B, 8), labels)
            assert styles.shape == (B, 2 * level + 2, 6)
            assert made.synthesize(styles).shape == (B, channels, resolution, resolution)
            assert scored(made.synthesize(styles), labels).shape == (B,)


def test_a_new_resolution_comes_in_without_a_jump():
    """With the same noise in the layers that were there."""
    made = generator(DataSpec((3, 16, 16))).double().eval()
    latents = torch.randn(B, 8, dtype=DOUBLE)
    images = {}
    for stage in ((8, 1.0), (16, 0.0), (16, 0.25), (16, 1.0)):
        made.grow(*stage)
        roll(made)
        images[stage] = made(latents)
    torch.testing.assert_close(images[16, 0.0], images[8, 1.0].repeat_interleave(2, 2).repeat_interleave(2, 3))
    torch.testing.assert_close(images[16, 0.25], 0.75 * images[16, 0.0] + 0.25 * images[16, 1.0])
    assert not torch.allclose(images[16, 0.0], images[16, 1.0])


def test_a_new_resolution_is_judged_without_a_jump():
    scored = StyleGANDiscriminator(**SMALL).build(DataSpec((3, 16, 16)))
    samples = torch.randn(B, 3, 8, 8)
    scored.grow(8)
    opinion = scored(samples)
    scored.grow(16, 0.0)
    torch.testing.assert_close(scored(samples.repeat_interleave(2, 2).repeat_interleave(2, 3)), opinion)


def test_noise_is_drawn_anew_and_moves_details_only_as_far_as_its_strength():
    made = generator(DataSpec((1, 16, 16))).eval()
    latents = torch.randn(B, 8)
    roll(made)
    first, second = made(latents), made(latents)
    assert not torch.allclose(first, second)
    for name, parameter in made.named_parameters():
        if "noise_strength" in name:
            nn.init.zeros_(parameter)
    torch.testing.assert_close(made(latents), made(latents))


def test_mixing_changes_style_once_on_the_way_up():
    made = generator(DataSpec((1, 32, 32)), mixing=1.0)
    for resolution in (8, 32):
        made.grow(resolution)
        roll(made, 64)
        latents = torch.randn(64, 8)
        styles = made.styles(latents)
        own = made.mapping(latents, None)
        kept = (styles == own[:, None]).all(2).sum(1)
        assert styles.shape[1] == made.layers
        assert set(kept.tolist()) == set(range(1, made.layers)), "the first layer is its own, the last is not"
    made.eval()
    assert torch.equal(made.styles(latents), made.mapping(latents, None)[:, None].expand(-1, made.layers, -1))


def test_truncation_draws_the_lower_layers_to_the_mean_style(monkeypatch: pytest.MonkeyPatch):
    made = generator(DataSpec((1, 32, 32)), truncated_layers=3).eval()
    made.mean_style.value.copy_(torch.arange(6.0))
    latents, seen = torch.randn(B, 8), []
    monkeypatch.setattr(made, "synthesize", lambda styles: seen.append(styles))
    made.truncated(latents, None, 0.25)
    own = made.mapping(latents, None)
    for layer in range(8):
        expected = torch.lerp(torch.arange(6.0), own, 0.25) if layer < 3 else own
        torch.testing.assert_close(seen[0][:, layer], expected)


def test_the_mean_style_follows_what_training_sees():
    made = generator(DataSpec((1, 8, 8)), style_half_life_images=4.0)
    latents = torch.randn(B, 8)
    roll(made)
    made(latents)
    seen = made.mean_style.seen
    seen.settle(seen.pending.clone())
    made(latents)
    torch.testing.assert_close(made.mean_style.value, made.mapping(latents, None).mean(0) / 2)  # 4 images: half
    with torch.no_grad():
        made(latents)
    assert seen.pending[-1] == B, "not what the discriminator's turn sees"
