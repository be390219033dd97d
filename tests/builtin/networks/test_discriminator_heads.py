"""Heads on other discriminators against naive loops."""

from __future__ import annotations

import math

import pytest
import torch
from support.toys import ToySource, batches, gan_table, runner_of
from torch import Tensor

from ganforge.api.data import DataSpec
from ganforge.api.network import DiscriminatorNetwork
from ganforge.builtin.networks.dcgan import DcganDiscriminator
from ganforge.builtin.networks.minibatch_discrimination import MinibatchDiscrimination
from ganforge.builtin.networks.minibatch_stddev import MinibatchStddev
from ganforge.builtin.networks.mlp import MlpDiscriminator
from ganforge.builtin.networks.projection import Projection
from ganforge.builtin.networks.stylegan2 import StyleGAN2Discriminator
from ganforge.errors import DataError, RecipeError

POINTS, CLASSES, CONDITIONS = DataSpec((2,)), DataSpec((2,), 3), DataSpec((2,), conditions=2)
MLP = MlpDiscriminator(width=7, depth=2)


def points(rows: int = 6) -> Tensor:
    return torch.randn(rows, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("group", "size"), [(0, 6), (2, 2), (4, 3), (9, 6)])
def test_minibatch_discrimination(group: int, size: int):
    torch.manual_seed(0)
    network = MinibatchDiscrimination(network=MLP, kernels=4, dimensions=3, group=group).build(POINTS).double()
    logits, activations = network.forward_features(points())
    inner, features = network.network.forward_features(points())
    tensor = network.tensor.weight.view(4, 3, 7)  # T, [B, C, A]
    closeness = torch.zeros(6, 4, dtype=torch.float64)
    for i in range(6):
        for j in range(i // size * size, i // size * size + size):
            for kernel in range(4):
                one, two = tensor[kernel] @ features[-1][i], tensor[kernel] @ features[-1][j]
                closeness[i, kernel] += math.exp(-(one - two).abs().sum().item()) / size
    torch.testing.assert_close(network.closeness(features[-1]).detach(), closeness)
    torch.testing.assert_close(logits, inner + closeness @ network.score.weight[0])
    torch.testing.assert_close(activations[-1].detach(), torch.cat([features[-1].detach(), closeness], 1))
    assert network.width == 7 + 4
    assert network.batch_group == group


def test_copies_of_one_sample_are_closest():
    network = MinibatchDiscrimination(network=MLP, kernels=4, dimensions=3).build(POINTS).double()
    same, different = points(1).expand(6, 2), points()
    of_same, of_different = (network.forward_features(samples)[1][-1][:, 7:] for samples in (same, different))
    torch.testing.assert_close(of_same, torch.ones(6, 4, dtype=torch.float64))
    assert (of_different < 1).all()
    assert (of_different > 1 / 6).all(), "one's own closeness is 1"


def test_minibatch_stddev():
    network = MinibatchStddev(network=MLP, group=3).build(POINTS).double()
    logits, activations = network.forward_features(points())
    inner, features = network.network.forward_features(points())
    for start in (0, 3):
        rows = features[-1][start : start + 3]
        variance = ((rows - rows.mean(0)) ** 2).mean(0)
        deviation = (variance + 1e-8).sqrt().mean()
        found = logits[start : start + 3] - inner[start : start + 3]
        expected = (network.score.weight[0, 0] * deviation).expand(3)
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-7)
        torch.testing.assert_close(activations[-1][start : start + 3, 7], deviation.expand(3), rtol=1e-5, atol=1e-7)
    assert network.width == activations[-1].shape[1] == 8


@pytest.mark.parametrize("data", [CLASSES, CONDITIONS], ids=["classes", "conditions"])
def test_projection(data: DataSpec):
    network = Projection(network=MLP).build(data).double()
    labels = torch.arange(6) % 3 if data.classes else torch.rand(6, 2, dtype=torch.float64) * 2 - 1
    inner, features = network.network.forward_features(points())
    expected = []
    for row in range(6):
        embedded = network.embedding.weight[:, labels[row]] if data.classes else network.embedding.weight @ labels[row]
        expected.append(inner[row] + embedded @ features[-1][row])
    torch.testing.assert_close(network(points(), labels), torch.stack(expected))
    assert network.network.data.label_size == 0, "the inner network knows no labels"
    assert network.width == 7


def test_groups_of_both_are_kept_whole():
    images = DataSpec((1, 8, 8))
    style = StyleGAN2Discriminator(channel_base=64, channel_max=8, group=4)
    assert MinibatchStddev(network=style, group=6).build(images).batch_group == 12
    assert MinibatchDiscrimination(network=MLP, group=0).build(images).batch_group == 0
    assert MinibatchStddev(network=DcganDiscriminator(width=4)).build(images).batch_group == 0
    assert Projection(network=MLP).build(CLASSES).batch_group == 1


def test_heads_on_heads():
    network = MinibatchDiscrimination(network=MinibatchStddev(network=MLP, group=2), kernels=3, group=2).build(POINTS)
    assert network.width == 7 + 1 + 3
    assert network.forward_features(points().float())[1][-1].shape == (6, 11)
    assert network.batch_group == 2


def test_what_they_cannot_use_is_refused_in_words():
    class Blind(DiscriminatorNetwork):
        def forward(self, samples: Tensor, labels: Tensor | None = None) -> Tensor:
            return samples.flatten(1).sum(1)

    class BlindRecipe(MlpDiscriminator):
        def build(self, data: DataSpec) -> Blind:  # type: ignore[override]
            return Blind()

    for cls, data in ((MinibatchDiscrimination, POINTS), (MinibatchStddev, POINTS), (Projection, CLASSES)):
        with pytest.raises(RecipeError, match="Blind shows no features"):
            cls(network=BlindRecipe()).build(data)
    with pytest.raises(DataError, match="have none"):
        Projection(network=MLP).build(POINTS)


@pytest.mark.parametrize("kind", ["minibatch-discrimination", "minibatch-stddev", "projection"])
@pytest.mark.parametrize("inner", ["mlp", "dcgan", "stylegan2"])
def test_they_play(kind: str, inner: str):
    small = {"channel_base": 64, "channel_max": 8} if inner == "stylegan2" else {"width": 8}
    spec = DataSpec((1, 8, 8), 3)
    network = {"kind": kind, "network": {"kind": inner, **small}}
    table = gan_table(discriminator__network=network, discriminator__regularizers=[{"kind": "r1", "every": 2}])
    runner = runner_of(table, spec, batch=8)
    before = {name: parameter.detach().clone() for name, parameter in runner.game.discriminator.named_parameters()}
    for batch in batches(runner, ToySource(spec), 3):
        assert all(value.isfinite() for value in runner.play_round(batch).values())
    after = dict(runner.game.discriminator.named_parameters())
    own = [name for name in after if not name.startswith("network.")]
    assert own
    assert not [name for name in own if torch.equal(after[name], before[name])], "the head learns"


def test_groups_make_it_the_same_in_parts():
    network = {"kind": "minibatch-discrimination", "group": 4, "kernels": 5, "network": {"kind": "mlp", "width": 16}}
    optimizer = {"lr": 2e-3, "eps": 1e-4}
    table = gan_table(
        discriminator__network=network, discriminator__optimizer=optimizer, generator__optimizer=optimizer
    )
    runners = [runner_of(table, POINTS, batch=32, microbatches=parts) for parts in (1, 4)]
    for batch in batches(runners[0], ToySource(POINTS), 3):
        for runner in runners:
            runner.play_round(batch)
    after = [torch.cat([p.detach().flatten() for p in runner.game.parameters()]) for runner in runners]
    assert (after[1] - after[0]).norm() / after[0].norm() <= 1e-5
