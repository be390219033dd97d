from __future__ import annotations

import pytest
import torch
from torch import nn

from ganforge.api.data import DataSpec
from ganforge.api.dice import Roll, roll_dice
from ganforge.builtin.networks.fastgan import FastganBlock, FastganGenerator, NoiseInjection, SkipLayerExcitation
from ganforge.errors import DataError

LAYOUTS = pytest.mark.parametrize("layout", ["liu", "sauer", "lite"])


def rolled(network: nn.Module, rows: int, seed: int = 1) -> nn.Module:
    roll_dice(network, Roll(seed, "test", rows=rows, total=rows))
    return network


@LAYOUTS
@pytest.mark.parametrize("resolution", [8, 32, 64, 128])
@pytest.mark.parametrize(("channels", "classes", "conditions"), [(1, 0, 0), (3, 5, 0), (4, 0, 2)])
def test_shapes_and_gradients_of_every_parameter(layout, resolution, channels, classes, conditions):
    data = DataSpec((channels, resolution, resolution), classes, conditions=conditions)
    network = rolled(FastganGenerator(latent=6, width=8, layout=layout).build(data), 4)
    labels = torch.tensor([0, 2, 4, 1]) if classes else torch.rand(4, 2) if conditions else None
    images = network(torch.randn(4, 6), labels)
    assert images.shape == (4, *data.shape)
    assert images.abs().max() <= 1
    (images * torch.randn_like(images)).sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize(
    ("layout", "width", "parameters"),
    [("sauer", 128, 105_684_175), ("sauer", 64, 30_622_319), ("lite", 128, 79_354_307), ("lite", 64, 24_037_603)],
)
def test_parameters_are_those_of_projected_gans_authors(layout, width, parameters):
    """autonomousvision/projected-gan, pg_modules/networks_fastgan.py: FastganSynthesis(ngf=width), RGB 256x256."""
    with torch.device("meta"):
        network = FastganGenerator(width=width, layout=layout).build(DataSpec((3, 256, 256)))
    assert sum(parameter.numel() for parameter in network.parameters()) == parameters


@pytest.mark.parametrize(
    ("layout", "noisy"), [("liu", ["8", "32", "128"]), ("sauer", ["8", "16", "32", "64", "128"]), ("lite", [])]
)
def test_where_blocks_are_double_and_noisy(layout, noisy):
    network = FastganGenerator(latent=4, width=8, layout=layout).build(DataSpec((3, 128, 128)))
    for name, block in network.blocks.items():
        layers = list(block.modules())
        assert sum(isinstance(layer, nn.Conv2d) for layer in layers) == (2 if name in noisy else 1)
        assert sum(isinstance(layer, NoiseInjection) for layer in layers) == (2 if name in noisy else 0)


@pytest.mark.parametrize(
    ("resolution", "sources"), [(8, {}), (32, {}), (64, {"64": 4}), (256, {"64": 4, "128": 8, "256": 16})]
)
def test_excitations_come_from_a_sixteenth_of_the_resolution(resolution, sources):
    with torch.device("meta"):
        network = FastganGenerator(width=8).build(DataSpec((3, resolution, resolution)))
    widths = {4: 128, 8: 64, 16: 32}
    inputs = {name: excitation[1].in_channels for name, excitation in network.excitations.items()}
    assert inputs == {name: widths[source] for name, source in sources.items()}


def test_an_excitation_weighs_channels_between_0_and_1():
    excitation = SkipLayerExcitation(3, 5)
    weights = excitation(torch.randn(2, 3, 8, 8))
    assert weights.shape == (2, 5, 1, 1)
    assert ((weights > 0) & (weights < 1)).all()
    low = torch.randn(2, 3, 4, 4)  # by hand: at 4x4 the pooling is the identity, the first convolution a dense layer
    hidden = low.flatten(1) @ excitation[1].weight.flatten(1).t()
    by_hand = torch.sigmoid((hidden * torch.sigmoid(hidden)) @ excitation[3].weight.flatten(1).t())
    torch.testing.assert_close(excitation(low).flatten(1), by_hand)


def test_low_resolutions_gate_high_ones():
    """With the excitation's weights at 0 each channel at 64x64 is fir_downsample: sigmoid(0)."""
    network = FastganGenerator(latent=4, width=8, layout="lite").build(DataSpec((1, 64, 64))).eval()
    seen: dict[str, torch.Tensor] = {}
    network.blocks["64"].register_forward_hook(lambda module, args, output: seen.update(before=output))
    network.last.register_forward_pre_hook(lambda module, args: seen.update(after=args[0]))
    nn.init.zeros_(network.excitations["64"][3].weight)
    network(torch.randn(2, 4))
    torch.testing.assert_close(seen["after"], seen["before"] / 2)


def test_a_block_doubles_and_gates():
    block = FastganBlock(2, 3, double=False).eval().double()
    images = torch.randn(2, 2, 4, 4, dtype=torch.float64)
    bigger = images.repeat_interleave(2, 2).repeat_interleave(2, 3)
    convolution, norm = block.layers[1], block.layers[2]
    values, gates = (convolution(bigger) / (1 + norm.eps) ** 0.5).chunk(2, 1)
    torch.testing.assert_close(block(images), values * torch.sigmoid(gates))


def test_noise_is_one_plane_for_all_channels_and_begins_at_nothing():
    noise, images = rolled(NoiseInjection(), 2), torch.randn(2, 3, 4, 4)
    assert torch.equal(noise(images), images)
    nn.init.constant_(noise.strength, 0.5)
    added = (rolled(noise, 2)(images) - images) / 0.5
    torch.testing.assert_close(added, added[:, :1].expand(-1, 3, -1, -1), rtol=0, atol=1e-5)
    torch.testing.assert_close(added[:, :1], rolled(noise, 2).dice.normal(2, 1, 4, 4), rtol=0, atol=1e-5)


@pytest.mark.parametrize("shape", [(3, 12, 12), (3, 4, 4), (3, 2048, 2048), (2,)])
def test_other_data_are_refused(shape):
    with pytest.raises(DataError):
        FastganGenerator().build(DataSpec(shape))
