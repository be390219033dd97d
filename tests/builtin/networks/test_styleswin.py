from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganforge.api.data import DataSpec
from ganforge.builtin.networks.styleswin import (
    AdaptiveInstanceNorm,
    StyleSwinGenerator,
    StyleSwinGeneratorNetwork,
    sinusoidal_positions,
)
from ganforge.errors import DataError, RecipeError

SMALL = {"channel_base": 256, "channel_max": 16, "mapping_layers": 2, "latent": 12}


def generator(data: DataSpec, **fields: int) -> StyleSwinGeneratorNetwork:
    torch.manual_seed(0)
    network = StyleSwinGenerator(**{**SMALL, **fields}).build(data)  # type: ignore[arg-type]
    for name, parameter in network.named_parameters():
        if name.endswith("strength"):
            parameter.data.fill_(0.1)
    return network


def latents(rows: int) -> Tensor:
    return torch.randn(rows, 12, generator=torch.Generator().manual_seed(3))


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


# Counts of microsoft/StyleSwin, models/generator.py: Generator(256, 512, 8, channel_multiplier=2) has 48,929,512 and
# Generator(1024, 512, 8, channel_multiplier=1) has 40,862,990 (the paper's 40.86 M); their output layers have two
# biases that add up, of 3 numbers for each of the 7 or 9 layers, and ours have one.
@pytest.mark.parametrize(
    ("resolution", "channel_base", "expected"),
    [(256, 32_768, 48_929_512 - 3 * 7), (1024, 16_384, 40_862_990 - 3 * 9)],
)
def test_as_many_parameters_as_the_authors(resolution: int, channel_base: int, expected: int) -> None:
    with torch.device("meta"):
        network = StyleSwinGenerator(channel_base=channel_base).build(DataSpec((3, resolution, resolution)))
    assert count(network) == expected
    assert count(network.mapping) == 2_101_248


@pytest.mark.parametrize("resolution", [8, 16, 32, 64])
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("conditions", [{}, {"classes": 5}, {"conditions": 2}])
def test_shapes_and_gradients_reach_every_parameter(resolution: int, channels: int, conditions: dict[str, int]) -> None:
    data = DataSpec((channels, resolution, resolution), **conditions)
    network = generator(data, channel_base=1024)
    draw = torch.Generator().manual_seed(5)
    labels = torch.arange(4) % 5 if data.classes else torch.rand(4, 2, generator=draw) if data.conditions else None
    images = network(latents(4), labels)
    assert images.shape == (4, channels, resolution, resolution)
    (images * torch.randn(images.shape, generator=draw)).mean().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_style_norm_sets_mean_and_deviation() -> None:
    torch.manual_seed(0)
    norm = AdaptiveInstanceNorm(6, 5)
    images, style = torch.randn(3, 8, 8, 6) * 4 + 2, torch.randn(3, 5)
    scale, shift = norm.affine(style).chunk(2, 1)
    theirs = F.instance_norm(images.permute(0, 3, 1, 2)) * (1 + scale)[..., None, None] + shift[..., None, None]
    torch.testing.assert_close(norm(images, style), theirs.permute(0, 2, 3, 1), rtol=1e-4, atol=1e-5)


def test_positions_are_sinusoids_of_column_and_row() -> None:
    waves = sinusoidal_positions(16, 12)
    assert waves.shape == (16, 16, 12)
    for row, column in ((0, 0), (3, 7), (15, 2)):
        by_hand = []
        for place in (column + 1, row + 1):
            angles = [place * 10_000 ** (-k / 2) for k in range(3)]
            by_hand += [math.sin(angle) for angle in angles] + [math.cos(angle) for angle in angles]
        torch.testing.assert_close(waves[row, column], torch.tensor(by_hand), rtol=1e-5, atol=1e-5)


def test_positions_are_told_apart_only_where_they_are_let_in() -> None:
    network = generator(DataSpec((1, 16, 16)))
    with torch.no_grad():
        shown = network(latents(2))
        for block in network.upsample_blocks:
            block.strength.zero_()
        hidden = network(latents(2))
    assert (shown - hidden).abs().max() > 1e-3


def test_labels_matter() -> None:
    network = generator(DataSpec((1, 16, 16), 4))
    with torch.no_grad():
        first, second = (network(latents(3), torch.full((3,), label)) for label in range(2))
    assert (first - second).abs().amax((1, 2, 3)).min() > 1e-3


def test_truncation_to_nothing_is_the_mean_style() -> None:
    network = generator(DataSpec((1, 8, 8))).eval()
    network.mean_style.normal_()
    with torch.no_grad():
        images = network.truncated(latents(3), None, 1e-9)
        mean = network.synthesize(network.mean_style.expand(1, network.layers, -1))
    torch.testing.assert_close(images, mean.expand_as(images))


def test_it_differentiates_twice_by_the_style() -> None:
    """What path length regularisation asks for (arXiv:1912.04958, eq. 4), against finite differences."""
    network = generator(DataSpec((1, 8, 8))).double()
    styles = torch.randn(2, network.layers, 12, dtype=torch.float64, requires_grad=True)
    noise = torch.randn(2, 1, 8, 8, dtype=torch.float64)
    weight = network.blocks[1].attention.to_heads.weight

    def length() -> Tensor:
        (slope,) = torch.autograd.grad((network.synthesize(styles) * noise).sum(), styles, create_graph=True)
        return slope.square().sum()

    (gradient,) = torch.autograd.grad(length(), weight)
    step = torch.randn(weight.shape, dtype=torch.float64) * 1e-6
    lengths = []
    for sign in (1, -2):
        weight.data.add_(step, alpha=sign)
        lengths.append(length())
    torch.testing.assert_close((gradient * step).sum() * 2, lengths[0] - lengths[1], rtol=1e-4, atol=0)


@pytest.mark.parametrize("resolution", [4, 12, 100])
def test_other_resolutions_are_refused(resolution: int) -> None:
    with pytest.raises(DataError, match="8, 16, 32"):
        StyleSwinGenerator().build(DataSpec((1, resolution, resolution)))


@pytest.mark.parametrize("fields", [{"window": 6}, {"channel_max": 34}, {"channel_max": 160}, {"channel_base": 8}])
def test_what_cannot_be_parted_is_refused(fields: dict[str, int]) -> None:
    with pytest.raises(RecipeError, match=r"set it to|cannot be parted"):
        StyleSwinGenerator(**fields).build(DataSpec((1, 8, 8)))  # type: ignore[arg-type]
