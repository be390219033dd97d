"""StyleGAN3: the authors' parameter counts, the paper's schedule, and the equivariance that its filters alone give."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from ganforge.api.data import DataSpec
from ganforge.api.tally import all_tallies
from ganforge.builtin.metrics.parts.image_motion import limit_band, rotate_image
from ganforge.builtin.networks.layers.equalized_layers import LEAKY_RELU_GAIN, LEAKY_RELU_SLOPE
from ganforge.builtin.networks.layers.filtered_leaky_relu import FilteredLeakyReLU, SignalBand
from ganforge.builtin.networks.layers.lowpass_filters import attenuation
from ganforge.builtin.networks.layers.running_mean import RunningMean
from ganforge.builtin.networks.stylegan3 import StyleGAN3Generator, StyleGAN3GeneratorNetwork, signal_bands
from ganforge.errors import DataError, RecipeError

SMALL: dict[str, Any] = {"latent": 12, "channel_base": 256, "channel_max": 12, "layers": 5, "margin": 4}
PAPER: dict[str, dict[str, Any]] = {"t": {}, "r": {"config": "r", "channel_base": 65_536, "channel_max": 1024}}


def generator(resolution: int = 32, channels: int = 1, classes: int = 0, **fields: Any) -> StyleGAN3GeneratorNetwork:
    torch.manual_seed(int(fields.pop("seed", 0)))
    return StyleGAN3Generator(**{**SMALL, **fields}).build(DataSpec((channels, resolution, resolution), classes))


def latents(rows: int, length: int = 12) -> Tensor:
    return torch.randn(rows, length, generator=torch.Generator().manual_seed(3))


def settle(network: nn.Module) -> None:
    for tally in all_tallies(network):
        tally.settle(tally.pending.clone())


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


# Counts of NVlabs/stylegan3, training/networks_stylegan3.py: whole, and synthesis alone.
@pytest.mark.parametrize(
    ("config", "whole", "synthesis"), [("t", 22_313_167, 21_787_855), ("r", 15_093_151, 14_567_839)]
)
def test_as_many_parameters_as_the_authors(config: str, whole: int, synthesis: int) -> None:
    with torch.device("meta"):
        network = StyleGAN3Generator(**PAPER[config]).build(DataSpec((3, 1024, 1024)))
    assert count(network) == whole
    assert count(network) - count(network.mapping) == synthesis
    assert network.layers == 16


def test_the_schedule_is_the_papers() -> None:
    """arXiv:2106.12423, sec. 3.2 and app. F: 14 layers at 1024, cutoffs from 2 to 512, 10 pixels of margin."""
    plan = signal_bands(1024, 14, 10)
    assert len(plan) == 15
    assert plan[0].cutoff == 2
    assert [band.cutoff for band in plan[12:]] == [512, 512, 512], "the last layers are critically sampled"
    ratios = [two.cutoff / one.cutoff for one, two in pairwise(plan[:13])]
    assert ratios == pytest.approx([256 ** (1 / 12)] * 12), "geometric"
    # stopbands 4.3, 6.5, 9.9 (from 2^2.1, times (512 * 2^0.3 / 2^2.1)^(1/12) = 1.516): rates 16, 16, 32
    assert [band.size for band in plan[:3]] == [16 + 20, 16 + 20, 32 + 20]
    assert [band.size for band in plan[11:]] == [1044, 1044, 1024, 1024], "the image has no margin"
    assert plan[14].half_width == pytest.approx(512 * (2**0.3 - 1))
    for band in plan[:12]:
        stopband = band.cutoff + band.half_width
        assert stopband >= band.rate / 2 - 1e-9
        assert band.rate & (band.rate - 1) == 0
        assert 2 * band.cutoff < band.rate


@pytest.mark.parametrize("config", ["t", "r"])
@pytest.mark.parametrize("resolution", [8, 16, 32, 64])
@pytest.mark.parametrize(("channels", "classes"), [(1, 0), (3, 5), (4, 0)])
def test_shapes_and_gradients_reach_every_parameter(config: str, resolution: int, channels: int, classes: int) -> None:
    network = generator(resolution, channels, classes, config=config)
    images = network(latents(2), torch.arange(2) if classes else None)
    assert images.shape == (2, channels, resolution, resolution)
    (images * torch.randn(images.shape, generator=torch.Generator().manual_seed(1))).sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize("resolution", [128, 256, 512, 1024])
@pytest.mark.parametrize("config", ["t", "r"])
def test_shapes_at_high_resolutions(config: str, resolution: int) -> None:
    with FakeTensorMode(), torch.no_grad():
        network = StyleGAN3Generator(**PAPER[config]).build(DataSpec((3, resolution, resolution)))
        assert network.eval()(torch.zeros(1, 512)).shape == (1, 3, resolution, resolution)


@pytest.mark.parametrize("layers", [3, 4, 9])
@pytest.mark.parametrize("margin", [0, 10])
def test_any_number_of_layers_and_any_margin(layers: int, margin: int) -> None:
    for resolution in (8, 64, 512):
        with FakeTensorMode(), torch.no_grad():
            network = generator(resolution, layers=layers, margin=margin, channel_base=512)
            assert network.eval()(torch.zeros(1, 12)).shape == (1, 1, resolution, resolution)


class Unfiltered(nn.Module):
    """What other generators do in a filtered rectifier's place: repeat pixels, rectify, no filter."""

    def __init__(self, band: SignalBand, factor: int) -> None:
        super().__init__()
        self.band, self.factor = band, factor

    def forward(self, images: Tensor) -> Tensor:
        images = images.repeat_interleave(self.factor, 2).repeat_interleave(self.factor, 3)
        edge = (images.shape[2] - self.band.size) // 2
        inner = slice(edge, edge + self.band.size)
        return nn.functional.leaky_relu(images[:, :, inner, inner], LEAKY_RELU_SLOPE) * LEAKY_RELU_GAIN


def at_work(config: str, *, filtered: bool, seed: int) -> StyleGAN3GeneratorNetwork:
    """A random network of the paper's margin whose running magnitudes fit its features."""
    network = generator(32, config=config, margin=10, layers=6, magnitude_half_life_images=1e-3, seed=seed)
    if not filtered:
        for block, band in zip(network.blocks, signal_bands(32, 6, 10), strict=False):
            block.rectify = Unfiltered(band, block.rectify.up // block.rectify.down)
    for _ in range(9):
        network(latents(4))
        settle(network)
    return network.eval()


def decibels(signal: Tensor, error: Tensor) -> float:
    return 10 * math.log10(signal.var().item() / error.square().mean().clamp(min=1e-20).item())


def worst_aliasing() -> float:
    """How far, in dB, the signal lies above what layers at rate 16 fold back, were it all to add up in phase."""
    low = [band for band in signal_bands(32, 6, 10) if band.rate == 16]
    worst = min(attenuation(12, band.half_width, 32) for band in low)
    needed = worst - 20 * math.log10(2 * len(low))
    assert 40 < needed < 60
    return needed


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("config", ["t", "r"])
def test_pictures_move_pixel_by_pixel_though_features_are_coarser(config: str, seed: int) -> None:
    """An odd number of pixels at 32 is a half-integer number of samples at 16, the rate of the first layers.

    What filters leave above a signal's band, and only that, folds back and breaks equivariance. Kaiser's formula says
    how far it lies below the signal, for each filter of the layers at rate 16; if they all added up in phase, the
    signal would still be above the error by the worst of them less 20 log10(how many). Without filters, all folds back.
    """
    motion = torch.eye(3).repeat(4, 1, 1)
    motion[:, 0, 2], motion[:, 1, 2] = 3 / 32, -1 / 32
    inner = (slice(None), slice(None), slice(4, 28), slice(4, 28))
    found = {}
    for filtered in (True, False):
        network = at_work(config, filtered=filtered, seed=seed)
        with torch.no_grad():
            styles = network.styles(latents(4))
            still, moved = network.synthesize(styles), network.moved(styles, motion)
        expected = still.roll((-1, 3), (2, 3))
        found[filtered] = decibels(expected[inner], (moved - expected)[inner])
    assert found[True] > worst_aliasing()
    assert found[False] < 20


@pytest.mark.parametrize(("config", "filtered", "turns"), [("r", True, True), ("r", False, False), ("t", True, False)])
def test_pictures_turn_by_any_angle_where_kernels_and_filters_are_round(
    config: str, filtered: bool, turns: bool
) -> None:
    """As for translation; the reference's Lanczos window leaks less than the filters."""
    angle = torch.full((4,), math.pi / 6, dtype=torch.float64)
    cos, sin = math.cos(math.pi / 6), math.sin(math.pi / 6)
    motion = torch.tensor([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]]).repeat(4, 1, 1)
    network = at_work(config, filtered=filtered, seed=0)
    with torch.no_grad():
        styles = network.styles(latents(4))
        expected, seen = rotate_image(network.synthesize(styles).double(), angle)
        found, seen_too = limit_band(network.moved(styles, motion).double(), angle)
    seen = (seen & seen_too).expand_as(found)
    value = decibels(expected[seen], (found - expected)[seen])
    assert value > worst_aliasing() if turns else value < 20


def test_config_r_turns_by_a_quarter_and_config_t_does_not() -> None:
    motion = torch.tensor([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]).repeat(4, 1, 1)
    found = {}
    for config in ("t", "r"):
        network = at_work(config, filtered=True, seed=0)
        with torch.no_grad():
            styles = network.styles(latents(4))
            expected = torch.rot90(network.synthesize(styles), -1, (2, 3))
            found[config] = decibels(expected, network.moved(styles, motion) - expected)
    assert found["r"] > 90, "nothing but rounding: its kernels and filters have the pixels' own symmetry"
    assert found["t"] < 20, "3x3 kernels know up from left"


def test_radial_filters_are_where_the_paper_has_them() -> None:
    """In config r, but for the critically sampled layers; config t has none."""
    radial = {c: [block.rectify.radial for block in generator(config=c).blocks] for c in ("t", "r")}
    assert radial == {"t": [False] * 5, "r": [True] * 3 + [False] * 2}
    assert all(isinstance(block.rectify, FilteredLeakyReLU) for block in generator().blocks)


def test_the_running_magnitude_makes_up_for_louder_features() -> None:
    network = at_work("t", filtered=True, seed=0)
    with torch.no_grad():
        expected = network(latents(4))
        network.features.scale *= 100
        assert not torch.allclose(network(latents(4)), expected, rtol=0.1)
        network.blocks[0].magnitude.value *= 100**2
        torch.testing.assert_close(network(latents(4)), expected, rtol=1e-3, atol=1e-4)


def test_running_magnitudes_are_mean_squares_of_what_comes_in() -> None:
    network = generator(magnitude_half_life_images=1e-3)
    for _ in range(2):
        network(latents(4))
        settle(network)
    with torch.no_grad():
        features = network.features(network.styles(latents(4))[:, 0])
    assert network.blocks[0].magnitude.value.item() == pytest.approx(features.square().mean().item(), rel=1e-4)


def test_magnitudes_follow_the_generators_own_turns_only() -> None:
    network = generator()
    with torch.no_grad():
        network(latents(4))
    network.eval()(latents(4))
    assert all(tally.pending.abs().sum() == 0 for tally in all_tallies(network))
    network.train()(latents(4))
    followed = [module for module in network.modules() if isinstance(module, RunningMean)]
    assert len(followed) == 5 + 1 + 1, "one for each layer, one for colours, one for the mean style"
    assert all(mean.seen.pending[-1] == 4 for mean in followed)


def test_truncation_leads_to_the_mean_style() -> None:
    network = generator().eval()
    network.mean_style.value.normal_()
    with torch.no_grad():
        mean = network.synthesize(network.mean_style.value.expand(4, network.layers, -1))
        torch.testing.assert_close(network.truncated(latents(4), None, 1e-9), mean, rtol=1e-4, atol=1e-5)
        half = (network.mean_style.value + network.styles(latents(4))) / 2
        torch.testing.assert_close(network.truncated(latents(4), None, 0.5), network.synthesize(half))


def test_bf16_stays_close() -> None:
    network = generator(16, 3).eval()
    with torch.no_grad():
        expected = network(latents(4))
        with torch.autocast("cpu", torch.bfloat16):
            found = network(latents(4)).float()
    assert (found - expected).abs().mean() < 0.06 * expected.abs().mean()


@pytest.mark.parametrize("resolution", [4, 12, 48])
def test_other_resolutions_are_refused_in_words(resolution: int) -> None:
    with pytest.raises(DataError, match=f"the data have {resolution}"):
        generator(resolution)


def test_what_cannot_be_is_refused_in_words() -> None:
    with pytest.raises(RecipeError, match="channel_base = 256"):
        generator(512)
    with pytest.raises(ValidationError, match="expected an even number, given 5"):
        StyleGAN3Generator(taps=5)
    with pytest.raises(ValidationError, match="greater than 2"):
        StyleGAN3Generator(layers=2)
