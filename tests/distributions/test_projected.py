"""Projected GAN: frozen features and projections that nothing moves, and discriminators that learn on top of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from support.toys import ToySource, batches
from torch import Tensor, nn

from ganforge.api.data import DataSpec
from ganforge.api.dice import Roll, roll_dice
from ganforge.api.network import FeatureDiscriminator
from ganforge.errors import DataError, GanforgeError
from ganforge.plugins.loading import load_catalogue
from ganforge.recipes.recipe import Recipe
from ganforge.storage.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from ganforge.training.build import build_runner
from ganforge.training.runner import Runner

plugin = pytest.importorskip(
    "ganforge_projected",
    reason="ganforge-projected is not installed: pip install ./plugins/ganforge-projected",
)
from ganforge_projected import mixing, pyramid  # noqa: E402
from ganforge_projected.frozen import FrozenConv, fold_batch_norm, random_conv  # noqa: E402

B = 4
SPECS = [DataSpec((channels, 16, 16), classes) for channels in (1, 3, 4) for classes in (0, 3)]
SPECS += [DataSpec((3, 128, 128)), DataSpec((1, 8, 8), conditions=2)]
EACH_SPEC = pytest.mark.parametrize("spec", SPECS, ids=lambda s: f"{'x'.join(map(str, s.shape))}-{s.label_size}labels")


def build(spec: DataSpec, seed: int = 0, **fields: Any) -> Any:
    torch.manual_seed(seed)
    return rolled(plugin.Projected(**{"features_resolution": 64, "width": 4, **fields}).build(spec))


def rolled(network: nn.Module, seed: int = 1) -> nn.Module:
    roll_dice(network, Roll(seed, "test", rows=B, total=B))
    return network


def labels_of(spec: DataSpec) -> Tensor | None:
    if spec.conditions:
        return torch.linspace(-1, 1, B * spec.conditions).view(B, -1)
    return torch.arange(B) % spec.classes if spec.classes else None


def images(spec: DataSpec, seed: int = 0) -> Tensor:
    return torch.rand(B, *spec.shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def frozen_state(network: nn.Module) -> dict[str, Tensor]:
    """All that must never change: pretrained and random weights."""
    convolutions = [(path, layer) for path, layer in network.named_modules() if isinstance(layer, FrozenConv)]
    assert len(convolutions) == 1 + 3 * 16 - 1 + 3 * 4, "stem, 16 blocks (the first does not widen), 3 x 4 projections"
    return {f"{path}.{name}": buffer.clone() for path, layer in convolutions for name, buffer in layer.named_buffers()}


def assert_same_bits(one: dict[str, Tensor], two: dict[str, Tensor]) -> None:
    assert one.keys() == two.keys()
    assert [name for name in one if not torch.equal(one[name], two[name])] == []


# --- the component


def test_the_catalogue_offers_it() -> None:
    assert load_catalogue().provider("discriminators", "projected") == "ganforge-projected 0.1.0"


@EACH_SPEC
def test_logits_features_and_gradients(spec: DataSpec) -> None:
    network, samples = build(spec), images(spec).requires_grad_()
    assert isinstance(network, FeatureDiscriminator)
    logits = network(samples, labels_of(spec))
    assert logits.shape == (B, 4), "at 64 one logit for each scale"
    again, features = rolled(network).forward_features(samples, labels_of(spec))
    torch.testing.assert_close(again, logits)
    assert [tuple(feature.shape) for feature in features] == [
        (B, 4, 32, 32),
        (B, 4, 16, 16),
        (B, 8, 8, 8),
        (B, 16, 4, 4),
        (B, network.width),
    ]
    (logits * torch.randn_like(logits)).sum().backward()
    assert (samples.grad.flatten(1).norm(dim=1) > 0).all(), "gradients reach whoever made the samples"
    assert (samples.grad.abs().sum((0, 2, 3)) > 0).all(), "every channel matters, alpha too"
    assert [name for name, parameter in network.named_parameters() if parameter.grad is None] == []


@pytest.mark.parametrize(("resolution", "logits"), [(64, 1), (96, 9), (128, 1), (160, 4), (224, 16)])
def test_all_scales_give_equally_many_logits(resolution: int, logits: int) -> None:
    """At 224 they are 4x4 at each scale, as sec. 3.2 says."""
    spec = DataSpec((1, 16, 16))
    with torch.no_grad():
        scores, features = build(spec, features_resolution=resolution, width=2).forward_features(images(spec))
    assert scores.shape == (B, 4 * logits)
    assert [feature.shape[-1] for feature in features[:4]] == [resolution // size for size in (2, 4, 8, 16)]


def test_parameters_are_those_of_the_authors() -> None:
    """autonomousvision/projected-gan, MultiScaleD(channels=[64, 64, 128, 256], resolutions=[128, 64, 32, 16])."""
    network = plugin.Projected().build(DataSpec((3, 64, 64)))
    counts = [sum(parameter.numel() for parameter in scale.parameters()) for scale in network.scales]
    assert counts == [2_829_120, 2_763_392, 2_631_936, 2_106_880]
    assert sum(parameter.numel() for parameter in network.parameters()) == sum(counts) == 10_331_328


def test_labels_and_conditions_are_heeded() -> None:
    for spec in (DataSpec((1, 16, 16), 3), DataSpec((1, 16, 16), conditions=2)):
        network = build(spec).eval()
        labels = labels_of(spec)
        assert not torch.allclose(network(images(spec), labels), network(images(spec), labels.flip(0)))


@pytest.mark.parametrize("batch_norm", [True, False])
def test_batch_group_is_who_influences_whom(batch_norm: bool) -> None:
    spec = DataSpec((1, 16, 16))
    network, samples = build(spec, batch_norm=batch_norm), images(spec)
    changed = torch.cat([-samples[:1], samples[1:]])
    with torch.no_grad():
        moved = (network(changed) - network(samples)).abs().sum(1)
    assert network.batch_group == (0 if batch_norm else 1)
    assert bool((moved[1:] > 1e-4).any()) == batch_norm


def test_other_data_are_refused() -> None:
    for shape in [(2,), (2, 16, 16), (3, 16, 8)]:
        with pytest.raises(DataError):
            plugin.Projected().build(DataSpec(shape))


# --- what the frozen network is shown


def test_grey_images_are_shown_in_three_equal_colours() -> None:
    grey, colour = build(DataSpec((1, 16, 16))), build(DataSpec((3, 16, 16)))
    samples = images(DataSpec((1, 16, 16)))
    torch.testing.assert_close(grey.preprocess(samples), colour.preprocess(samples.expand(-1, 3, -1, -1)))
    torch.testing.assert_close(grey(samples), colour(samples.expand(-1, 3, -1, -1)))


def test_alpha_is_opacity_over_a_background_that_varies() -> None:
    spec = DataSpec((4, 64, 64))
    network, samples = build(spec), images(spec)
    opaque = torch.cat([samples[:, :3], torch.ones(B, 1, 64, 64)], 1)
    torch.testing.assert_close(network.preprocess(opaque), samples[:, :3])
    clear = torch.cat([samples[:, :3], -torch.ones(B, 1, 64, 64)], 1)
    background = rolled(network).preprocess(clear)
    assert (background == background[:, :, :1, :1]).all(), "one colour"
    assert len(background[:, 0, 0, 0].unique()) == B, "for each sample another"
    assert not torch.equal(rolled(network, 2).preprocess(clear), background)


def test_images_are_resized_only_where_they_must_be() -> None:
    spec = DataSpec((3, 64, 64))
    assert torch.equal(build(spec).preprocess(images(spec)), images(spec))
    smaller = build(DataSpec((3, 128, 128))).preprocess(images(DataSpec((3, 128, 128))))
    pixels = torch.nn.functional.interpolate(images(DataSpec((3, 128, 128))), (64, 64), mode="bilinear", antialias=True)
    torch.testing.assert_close(smaller, pixels)


# --- the pretrained features


@pytest.mark.parametrize("resolution", [64, 224])
def test_features_are_those_of_the_published_network_in_evaluation(resolution: int) -> None:
    network = pyramid.FeaturePyramid()
    published = pyramid._published(Path(pyramid.EfficientnetLite0ModelFile.get_model_file_path())).eval()
    samples = torch.rand(2, 3, resolution, resolution) * 2 - 1
    with torch.no_grad():
        features = network(samples)
        hidden = published._swish(published._bn0(published._conv_stem(((samples + 1) * 127.5 - 127) / 128)))
        expected = []
        for block, following in zip(published._blocks, [*published._blocks[1:], None], strict=True):
            hidden = block(hidden)
            if following is None or following._block_args.stride in (2, [2], [2, 2]):
                expected.append(hidden)
    assert len(expected) == 5, "the first, at half the resolution, is not used"
    for feature, right, channels, size in zip(features, expected[1:], pyramid.CHANNELS, (4, 8, 16, 32), strict=True):
        assert feature.shape == (2, channels, resolution // size, resolution // size)
        torch.testing.assert_close(feature, right, rtol=1e-4, atol=1e-4 * float(right.abs().max()))


def test_folding_is_exact() -> None:
    from efficientnet_lite_pytorch.utils import get_same_padding_conv2d

    torch.manual_seed(0)
    convolution = get_same_padding_conv2d(image_size=8)(3, 5, kernel_size=3, stride=2, bias=False)
    norm = nn.BatchNorm2d(5)
    for tensor in (norm.weight, norm.bias, norm.running_mean):
        nn.init.normal_(tensor)
    nn.init.uniform_(norm.running_var, 0.5, 2)
    samples, norm = torch.randn(2, 3, 8, 8), norm.eval()
    torch.testing.assert_close(fold_batch_norm(convolution, norm, rectify=False)(samples), norm(convolution(samples)))
    rectified = norm(convolution(samples)).clamp(0, 6)
    torch.testing.assert_close(fold_batch_norm(convolution, norm, rectify=True)(samples), rectified)


@pytest.mark.parametrize("content", [b"", b"other weights", None])
def test_other_weights_are_refused_unread(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(GanforgeError, match=r"weights\.pth.*--force-reinstall"):
        pyramid.FeaturePyramid(path)


# --- the projections


def test_projections_are_a_function_of_the_seed() -> None:
    spec = DataSpec((1, 16, 16))
    one, same, other = (frozen_state(build(spec, seed)) for seed in (1, 1, 2))
    assert_same_bits(one, same)
    differ = {name for name in one if not torch.equal(one[name], other[name])}
    assert differ == {name for name in one if name.startswith("mixing.")}


def test_random_weights_keep_the_second_moment() -> None:
    torch.manual_seed(0)
    convolution = random_conv(64, 4096, 1)
    samples = torch.randn(1, 64, 8, 8) * 3
    assert convolution(samples).square().mean() == pytest.approx(float(samples.square().mean()), rel=0.02)
    assert random_conv(64, 64, 3).weight.std() == pytest.approx((64 * 9) ** -0.5, rel=0.05)


def test_scales_are_mixed_from_the_coarsest_to_the_finest() -> None:
    """As written in sec. 3.2, in float64; and what a scale says depends on itself and on coarser ones only."""
    torch.manual_seed(0)
    network = mixing.FeatureMixing((2, 3, 4, 5), 2).double()
    features = [torch.randn(1, n, 2 ** (5 - n), 2 ** (5 - n), dtype=torch.float64) for n in (2, 3, 4, 5)]
    results = network(features)
    expected = torch.zeros((), dtype=torch.float64)
    for scale in (3, 2, 1, 0):
        mixed = torch.einsum("oi,bihw->bohw", network.channels[scale].weight[:, :, 0, 0], features[scale]) + expected
        mixed = mixed + nn.functional.conv2d(mixed, network.residuals[scale].weight, padding=1)
        bigger = nn.functional.interpolate(mixed, scale_factor=2, mode="bilinear")
        expected = torch.einsum("oi,bihw->bohw", network.scales[scale].weight[:, :, 0, 0], bigger)
        torch.testing.assert_close(results[scale], expected)
    assert [result.shape[1] for result in results] == network.outputs == [2, 2, 4, 8]
    features[1] = features[1] + 1
    moved = [not torch.equal(after, before) for after, before in zip(network(features), results, strict=True)]
    assert moved == [True, True, False, False]


# --- nothing moves what is frozen


def test_modes_and_thawing_change_nothing() -> None:
    """There are no parameters and no modes to change: not one module of the frozen part knows `training`."""
    network, samples = build(DataSpec((3, 16, 16)), batch_norm=False), images(DataSpec((3, 16, 16)))
    frozen = [*network.pyramid.modules(), *network.mixing.modules()]
    assert not [layer for layer in frozen if isinstance(layer, nn.modules.batchnorm._BatchNorm | nn.Dropout)]
    assert [*network.pyramid.parameters(), *network.mixing.parameters()] == []
    expected = network.train()(samples)
    torch.testing.assert_close(network.eval()(samples), expected, rtol=0, atol=0)
    network.requires_grad_(True)
    assert not any(buffer.requires_grad for buffer in network.buffers())


def test_checkpoints_hold_projections_and_not_the_pretrained_weights() -> None:
    names = set(build(DataSpec((3, 16, 16))).state_dict())
    assert len([name for name in names if name.startswith("mixing.")]) == 12
    assert not [name for name in names if name.startswith("pyramid.")]


def runner_of(spec: DataSpec, seed: int = 3) -> Runner:
    table = {
        "seed": seed,
        "data": {"kind": "digits"},
        "run": {"images": 256, "batch": B},
        "game": {
            "kind": "gan",
            "loss": "hinge",
            "generator": {
                "network": {"kind": "fastgan", "latent": 8, "width": 8},
                "optimizer": {"lr": 2e-3},
                "ema": {"half_life_images": 50},
            },
            "discriminator": {
                "network": {"kind": "projected", "features_resolution": 64, "width": 4},
                "optimizer": {"lr": 2e-3},
                "ema": {"half_life_images": 50},
                "constraints": ["spectral-norm"],
                "augmentations": ["diffaugment"],
            },
        },
        "tracking": {"kind": "none"},
    }
    recipe = Recipe.model_validate(table, context={"catalogue": load_catalogue()})
    return build_runner(recipe, spec, Accelerator(cpu=True))


@pytest.mark.parametrize("spec", [DataSpec((1, 8, 8)), DataSpec((4, 16, 16), 3)], ids=["grey", "labelled-rgba"])
def test_playing_moves_the_players_and_leaves_the_frozen_to_the_bit(spec: DataSpec) -> None:
    runner = runner_of(spec)
    discriminator, average = runner.game.discriminator, runner.players["discriminator"].ema.average
    before = {name: parameter.detach().clone() for name, parameter in runner.game.named_parameters()}
    frozen = frozen_state(discriminator)
    for batch in batches(runner, ToySource(spec), 3):
        report = runner.play_round(batch)
        assert all(value.isfinite() for value in report.values())
    assert_same_bits(frozen_state(discriminator), frozen)
    assert_same_bits(frozen_state(average), frozen)
    still = [name for name, value in runner.game.named_parameters() if torch.equal(value, before[name])]
    assert still == []
    with runner.averaged() as played, torch.no_grad():
        assert rolled(played).sample(B).shape == (B, *spec.shape)
    assert_same_bits(frozen_state(discriminator), frozen)


def test_spectral_norm_finds_what_is_trained_and_nothing_else() -> None:
    runner = runner_of(DataSpec((1, 8, 8)))
    frozen = frozen_state(runner.game.discriminator)
    for batch in batches(runner, ToySource(DataSpec((1, 8, 8))), 2):
        runner.play_round(batch)
    layers = [layer for layer in runner.game.discriminator.modules() if isinstance(layer, nn.Conv2d)]
    assert layers
    for layer in layers:
        assert torch.linalg.matrix_norm(layer.weight.flatten(1), 2).item() == pytest.approx(1, abs=0.1)
    assert_same_bits(frozen_state(runner.game.discriminator), frozen)


def test_a_resumed_run_equals_an_uninterrupted_one(tmp_path: Path) -> None:
    spec = DataSpec((4, 8, 8), 3)
    whole = runner_of(spec)
    shown = batches(whole, ToySource(spec), 4)
    for index, batch in enumerate(shown):
        if index == 2:
            save_checkpoint(tmp_path, whole.images, Checkpoint(*whole.state()))
        whole.play_round(batch)
    torch.manual_seed(99)
    resumed = runner_of(spec, seed=3)
    nn.init.zeros_(resumed.game.discriminator.mixing.residuals[0].weight)  # the checkpoint brings the projections
    found = load_checkpoint(tmp_path / f"images-{2 * B:012d}")
    resumed.restore(found.tensors, found.facts)
    for batch in shown[2:]:
        resumed.play_round(batch)
    assert_same_bits(dict(resumed.state()[0]), dict(whole.state()[0]))
