"""Norms by name against naive statistics, dropout from dice, and both inside dcgan and mlp."""

from __future__ import annotations

import pytest
import torch
from support.toys import ToySource, batches, changed, gan_table, runner_of
from torch import Tensor, nn

from ganforge.api.data import DataSpec
from ganforge.api.dice import Roll, roll_dice
from ganforge.builtin.networks.dcgan import DcganDiscriminator, DcganGenerator
from ganforge.builtin.networks.layers.dropout import Dropout
from ganforge.builtin.networks.layers.norms import has_bias, image_norm, vector_norm
from ganforge.builtin.networks.mlp import MlpDiscriminator, MlpGenerator

IMAGES = torch.randn(5, 6, 4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 3 + 1
OVER = {"batch": (0, 2, 3), "layer": (1, 2, 3), "instance": (2, 3)}  # what a mean is taken over


@pytest.mark.parametrize("kind", OVER)
def test_norms_of_images(kind):
    norm = image_norm(kind, 6).double()
    with torch.no_grad():
        norm.weight.copy_(torch.arange(6) + 1)
        norm.bias.copy_(torch.arange(6) / 10)
    mean = IMAGES.mean(OVER[kind], keepdim=True)
    variance = (IMAGES - mean).square().mean(OVER[kind], keepdim=True)
    expected = (IMAGES - mean) / (variance + 1e-5).sqrt()
    expected = expected * norm.weight.view(-1, 1, 1) + norm.bias.view(-1, 1, 1)
    torch.testing.assert_close(norm(IMAGES), expected)
    assert has_bias(kind)


def test_pixel_norm():
    images = image_norm("pixel", 6)(IMAGES)
    torch.testing.assert_close(images.square().mean(1), torch.ones(5, 4, 3, dtype=torch.float64), rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(images / images[:, :1], IMAGES / IMAGES[:, :1])
    vectors = vector_norm("pixel", 6)(IMAGES[:, :, 0, 0])
    torch.testing.assert_close(vectors, images[:, :, 0, 0])
    torch.testing.assert_close(vectors.square().mean(1), torch.ones(5, dtype=torch.float64), rtol=1e-6, atol=1e-6)
    assert not has_bias("pixel")


def test_norms_of_vectors():
    rows = IMAGES[:, :, 0, 0]
    for kind, over in (("batch", 0), ("layer", 1)):
        mean = rows.mean(over, keepdim=True)
        expected = (rows - mean) / ((rows - mean).square().mean(over, keepdim=True) + 1e-5).sqrt()
        torch.testing.assert_close(vector_norm(kind, 6).double()(rows), expected)
    assert vector_norm("none", 6) is None
    assert image_norm("none", 6) is None


@pytest.mark.parametrize("kind", ["layer", "instance", "pixel"])
def test_norms_can_be_differentiated_twice(kind):
    norm = image_norm(kind, 2).double()
    images = torch.randn(2, 2, 3, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(norm, (images,))


NORMS = ["batch", "layer", "instance", "pixel", "none"]


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("layout", ["radford", "miyato"])
def test_dcgan_with_each_norm(norm, layout):
    data = DataSpec((3, 16, 16))
    generator = DcganGenerator(latent=6, width=4, layout=layout, norm=norm).build(data)
    discriminator = DcganDiscriminator(width=4, layout=layout, norm=norm).build(data)
    assert discriminator.batch_group == (0 if norm == "batch" else 1)
    latents = torch.randn(6, 6)
    logits = discriminator(generator(latents))
    for network, inputs, outputs in (
        (generator, latents, generator(latents)),
        (discriminator, generator(latents), logits),
    ):
        alone = network(inputs[:2])
        assert torch.allclose(alone, outputs[:2], atol=1e-5) == (norm != "batch")
    (logits * torch.randn(6)).sum().backward()
    for name, parameter in [*generator.named_parameters(), *discriminator.named_parameters()]:
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name
    assert discriminator.forward_features(generator(latents))[1][-1].shape == (6, discriminator.width)


def biases(network: nn.Module) -> list[str]:
    return [name for name, _ in network.named_parameters() if name.endswith("bias")]


@pytest.mark.parametrize("layout", ["radford", "miyato"])
def test_a_layer_has_a_bias_where_its_norm_has_none(layout):
    data = DataSpec((1, 16, 16))
    for cls in (DcganGenerator, DcganDiscriminator):
        counts = {norm: len(biases(cls(width=4, layout=layout, norm=norm).build(data))) for norm in NORMS}
        assert counts["batch"] == counts["layer"] == counts["instance"]
        assert counts["pixel"] == counts["none"]
        assert counts["none"] <= counts["batch"]


@pytest.mark.parametrize("norm", ["batch", "layer", "pixel", "none"])
def test_mlp_with_each_norm(norm):
    data = DataSpec((2,))
    discriminator, generator = MlpDiscriminator(norm=norm).build(data), MlpGenerator(norm=norm).build(data)
    assert discriminator.batch_group == (0 if norm == "batch" else 1)
    points = generator(torch.randn(7, 128)) * 5
    logits, activations = discriminator.forward_features(points)
    assert torch.allclose(discriminator(points[:3]), logits[:3], atol=1e-6) == (norm != "batch")
    assert [activation.shape for activation in activations] == [(7, 128)] * 3
    torch.testing.assert_close(discriminator.layers[-1](activations[-1]).squeeze(1), logits)


ROLL = Roll(0, "test", rows=64, total=64)


def test_dropout_keeps_the_mean_and_loses_its_share():
    dropout, hidden = Dropout(0.3), torch.ones(64, 500)
    roll_dice(dropout, ROLL)
    after = dropout(hidden)
    assert set(after.unique().tolist()) == {0.0, torch.tensor(1 / 0.7).item()}
    lost = (after == 0).float().mean().item()
    assert lost == pytest.approx(0.3, abs=5 * (0.3 * 0.7 / 32_000) ** 0.5), "five standard errors"
    assert not torch.equal(dropout(hidden), after), "drawn anew in each forward"
    assert dropout.eval()(hidden) is hidden


def test_dropout_is_the_same_for_a_split_batch():
    dropout, hidden = Dropout(0.5), torch.ones(64, 10)

    def of(start: int, rows: int) -> Tensor:
        roll_dice(dropout, Roll(0, "test", start=start, rows=rows, total=64))
        return dropout(hidden[:rows])

    torch.testing.assert_close(torch.cat([of(0, 16), of(16, 16), of(32, 32)]), of(0, 64), rtol=0, atol=0)


@pytest.mark.parametrize("cls", [DcganDiscriminator, DcganGenerator, MlpDiscriminator, MlpGenerator])
def test_networks_lose_numbers_in_training_only(cls):
    data = DataSpec((1, 8, 8))
    network = cls(dropout=0.4, norm="none").build(data)
    inputs = torch.randn(64, 128) if "latent" in cls.model_fields else torch.randn(64, *data.shape)
    roll_dice(network, ROLL)
    first, second = network(inputs), network(inputs)
    assert not torch.equal(first, second)
    network.eval()
    assert torch.equal(network(inputs), network(inputs))
    plain = cls(norm="none").build(data)
    assert sum(p.numel() for p in plain.parameters()) == sum(p.numel() for p in network.parameters())


def test_a_game_with_dropout_is_the_same_in_parts_and_draws_nothing_global():
    spec, half = DataSpec((1, 8, 8)), {"kind": "mlp", "width": 16, "dropout": 0.5, "norm": "layer"}
    table = gan_table(
        generator__network={**half, "latent": 8},
        discriminator__network=half,
        discriminator__regularizers=[{"kind": "r1", "every": 2}],
    )
    table = changed(table, {"generator__optimizer__eps": 1e-4, "discriminator__optimizer__eps": 1e-4})
    runners = [runner_of(table, spec, batch=32, microbatches=parts) for parts in (1, 4)]
    for batch in batches(runners[0], ToySource(spec), 3):
        for runner in runners:
            runner.play_round(batch)
    after = [torch.cat([p.detach().flatten() for p in runner.game.parameters()]) for runner in runners]
    assert (after[1] - after[0]).norm() / after[0].norm() <= 1e-5
