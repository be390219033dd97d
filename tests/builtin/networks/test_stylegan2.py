from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from ganforge.api.data import DataSpec
from ganforge.api.dice import Roll, roll_dice
from ganforge.builtin.networks.stylegan2 import (
    StyleGAN2Discriminator,
    StyleGAN2DiscriminatorNetwork,
    StyleGAN2Generator,
    StyleGAN2GeneratorNetwork,
)
from ganforge.errors import DataError, RecipeError

SMALL = {"channel_base": 128, "channel_max": 16, "mapping_layers": 2}


def generator(resolution: int = 16, channels: int = 1, classes: int = 0, **fields: object) -> StyleGAN2GeneratorNetwork:
    torch.manual_seed(0)
    recipe = StyleGAN2Generator(**{**SMALL, "latent": 12, **fields})  # type: ignore[arg-type]
    return recipe.build(DataSpec((channels, resolution, resolution), classes))


def discriminator(resolution: int = 16, channels: int = 1, classes: int = 0) -> StyleGAN2DiscriminatorNetwork:
    torch.manual_seed(1)
    recipe = StyleGAN2Discriminator(**SMALL)  # type: ignore[arg-type]
    return recipe.build(DataSpec((channels, resolution, resolution), classes))


def roll(network: nn.Module, rows: int, start: int = 0, total: int = 0, seed: int = 0) -> None:
    roll_dice(network, Roll(seed, "test", 0, start, rows, total or rows))


def latents(rows: int, length: int = 12) -> Tensor:
    return torch.randn(rows, length, generator=torch.Generator().manual_seed(3))


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


# Counts of NVlabs/stylegan3, training/networks_stylegan2.py; the last one measured at this width.
@pytest.mark.parametrize(
    ("shape", "generator_fields", "discriminator_fields", "of_generator", "of_mapping", "of_discriminator"),
    [
        ((3, 1024, 1024), {}, {}, 30_370_060, 2_101_248, 29_012_513),
        ((3, 256, 256), {"channel_base": 16_384}, {"channel_base": 16_384}, 24_767_458, 2_101_248, 24_001_089),
        (
            (1, 32, 32),
            {"channel_base": 1024, "channel_max": 64, "latent": 64, "mapping_layers": 2},
            {"channel_base": 1024, "channel_max": 64},
            263_531,
            8_320,
            288_929,
        ),
    ],
)
def test_as_many_parameters_as_the_authors(
    shape: tuple[int, ...],
    generator_fields: dict[str, int],
    discriminator_fields: dict[str, int],
    of_generator: int,
    of_mapping: int,
    of_discriminator: int,
) -> None:
    with torch.device("meta"):
        ours = StyleGAN2Generator(**generator_fields).build(DataSpec(shape))  # type: ignore[arg-type]
        theirs = StyleGAN2Discriminator(**discriminator_fields).build(DataSpec(shape))  # type: ignore[arg-type]
    assert (count(ours), count(ours.mapping), count(theirs)) == (of_generator, of_mapping, of_discriminator)


@pytest.mark.parametrize("resolution", [8, 16, 32, 64])
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("classes", [0, 5])
def test_shapes_and_gradients_reach_every_parameter(resolution: int, channels: int, classes: int) -> None:
    ours, theirs = generator(resolution, channels, classes), discriminator(resolution, channels, classes)
    for name, parameter in ours.named_parameters():
        if name.endswith("noise_strength"):
            parameter.data.fill_(0.1)
    labels = torch.arange(8) % 5 if classes else None
    roll(ours, 8)
    images = ours(latents(8), labels)
    assert images.shape == (8, channels, resolution, resolution)
    logits = theirs(images, labels)
    assert logits.shape == (8,)
    nn.functional.softplus(-logits).mean().backward()
    for network in (ours, theirs):
        for name, parameter in network.named_parameters():
            assert parameter.grad is not None, name
            assert torch.isfinite(parameter.grad).all(), name
            assert parameter.grad.abs().sum() > 0, name


def test_at_the_start_images_fill_the_range() -> None:
    network = generator(32, 3, channel_base=1024, channel_max=64, latent=64)
    roll(network, 64)
    with torch.no_grad():
        assert 0.3 < network(latents(64, 64)).std().item() < 3


@pytest.mark.parametrize("training", [True, False])
def test_a_roll_decides_noise_and_mixing(training: bool) -> None:
    network = generator().train(training)
    for name, parameter in network.named_parameters():
        if name.endswith("noise_strength"):
            parameter.data.fill_(0.5)
    draws = []
    with torch.no_grad():
        for seed in (0, 0, 1):
            roll(network, 4, seed=seed)
            draws.append(network(latents(4)))
    torch.testing.assert_close(draws[0], draws[1], rtol=0, atol=0)
    assert (draws[0] - draws[2]).abs().amax((1, 2, 3)).min() > 1e-3


def test_half_a_batch_gives_half_the_images() -> None:
    network = generator(mixing=0.5)
    for name, parameter in network.named_parameters():
        if name.endswith("noise_strength"):
            parameter.data.fill_(0.5)
    parts = []
    with torch.no_grad():
        roll(network, 8)
        whole = network(latents(8))
        for start in (0, 4):
            roll(network, 4, start, 8)
            parts.append(network(latents(8)[start : start + 4]))
    torch.testing.assert_close(torch.cat(parts), whole, rtol=1e-5, atol=1e-5)


def test_groups_of_the_discriminator_do_not_see_each_other() -> None:
    network, images = discriminator(), torch.randn(8, 1, 16, 16)
    assert network.batch_group == 4
    with torch.no_grad():
        torch.testing.assert_close(network(images)[:4], network(images[:4]), rtol=1e-5, atol=1e-5)
        assert (network(images)[:2] - network(images[:2])).abs().max() > 1e-6


def test_mixing_changes_over_once_and_as_often_as_told() -> None:
    network = generator(64, mixing=0.75)
    with torch.no_grad():
        roll(network, 2000)
        styles = network.styles(latents(2000))
        plain = network.mapping(latents(2000), None)
    own = (styles == plain[:, None]).all(2)
    assert own[:, 0].all()
    assert (own[:, 1:] <= own[:, :-1]).all()
    mixed = ~own.all(1)
    assert mixed.float().mean().item() == pytest.approx(0.75, abs=0.04)
    changes = own[mixed].sum(1)  # uniform over 1 ... layers - 1
    assert torch.bincount(changes)[1:].float().div(len(changes)).sub(1 / 9).abs().max() < 0.03
    assert styles.shape == (2000, 10, 12)
    network.eval()
    assert (network.styles(latents(4)) == network.mapping(latents(4), None)[:, None]).all()


def test_mean_style_follows_what_turns_have_settled() -> None:
    network = generator(style_decay=0.9)
    with torch.no_grad():
        expected = network.mapping(latents(8), None).mean(0)
    for start in (0, 4):  # two micro-batches of one turn
        roll(network, 4, start, 8)
        network.styles(latents(8)[start : start + 4])
    assert (network.mean_style == 0).all()
    network.seen_styles.settle(network.seen_styles.pending)
    for _ in range(2):  # the second time there is nothing new
        roll(network, 4)
        network.styles(latents(4))
        torch.testing.assert_close(network.mean_style, expected * 0.1, rtol=1e-5, atol=1e-7)
    with torch.no_grad():
        pending = network.seen_styles.pending.clone()
        network.styles(latents(4))
    assert (network.seen_styles.pending == pending).all(), "a look without gradients is no turn of its own"


def test_truncation_leads_to_the_mean_style() -> None:
    network = generator().eval()
    network.mean_style.normal_()
    with torch.no_grad():
        styles = network.mean_style.expand(4, network.layers, -1)
        for truncation, expected in ((1e-9, network_image(network, styles)), (1.0, network_image(network, None))):
            roll(network, 4)
            torch.testing.assert_close(network.truncated(latents(4), None, truncation), expected, rtol=1e-4, atol=1e-4)
        roll(network, 4)
        half = network.truncated(latents(4), None, 0.5)
        torch.testing.assert_close(
            half, network_image(network, (styles + network.styles(latents(4))) / 2), rtol=1e-4, atol=1e-4
        )


def network_image(network: StyleGAN2GeneratorNetwork, styles: Tensor | None) -> Tensor:
    roll(network, 4)
    return network(latents(4)) if styles is None else network.synthesize(styles)


def test_labels_matter_to_both() -> None:
    ours, theirs = generator(classes=3).eval(), discriminator(classes=3)
    zeros, ones = torch.zeros(4, dtype=torch.long), torch.ones(4, dtype=torch.long)
    with torch.no_grad():
        images = []
        for labels in (zeros, ones):
            roll(ours, 4)
            images.append(ours(latents(4), labels))
        assert (images[0] - images[1]).abs().amax((1, 2, 3)).min() > 1e-2
        assert (theirs(images[0], zeros) - theirs(images[0], ones)).abs().min() > 1e-4


def test_channels_last_from_end_to_end() -> None:
    network, other = generator(32), discriminator(32)
    seen: list[tuple[str, bool]] = []
    for module in (network, other):
        module.to(memory_format=torch.channels_last)
        for name, child in module.named_modules():
            if not list(child.children()) and isinstance(child, nn.Module):
                child.register_forward_hook(
                    lambda _, __, out, name=name: (
                        seen.append((name, out.ndim != 4 or out.is_contiguous(memory_format=torch.channels_last)))
                        if isinstance(out, Tensor)
                        else None
                    )
                )
    roll(network, 4)
    other(network(latents(4)))
    assert len(seen) > 20
    assert [name for name, fine in seen if not fine] == []


@pytest.mark.parametrize("resolution", [4, 12, 48])
def test_other_resolutions_are_refused_in_words(resolution: int) -> None:
    with pytest.raises(DataError, match=f"the data have {resolution}"):
        generator(resolution)
    with pytest.raises(DataError, match=f"the data have {resolution}"):
        discriminator(resolution)


def test_too_few_channels_are_refused_in_words() -> None:
    with pytest.raises(RecipeError, match="channel_base = 128"):
        generator(256)


def test_bf16_stays_close_and_differentiable() -> None:
    network, other = generator(16, 3), discriminator(16, 3)
    roll(network, 4)
    with torch.no_grad():
        expected = network(latents(4))
    roll(network, 4)
    with torch.autocast("cpu", torch.bfloat16):
        images = network(latents(4))
        loss = other(images).float().square().mean()
    assert (images.float() - expected).abs().mean() < 0.05 * expected.abs().mean()
    loss.backward()
    assert all(torch.isfinite(parameter.grad).all() for parameter in network.parameters() if parameter.grad is not None)
