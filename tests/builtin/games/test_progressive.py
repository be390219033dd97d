"""The game whose networks grow: its stage is a function of the images shown, and of nothing else."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from support.installed import catalogue
from support.toys import ToySource, changed, recipe_of, runner_of
from torch import Tensor

from ganforge.api.data import Batch, DataSpec, to_device
from ganforge.api.dice import Roll, roll_dice
from ganforge.api.schedule import set_clocks
from ganforge.builtin.games.progressive import GrowthRecipe, Stage, stage_at
from ganforge.errors import RecipeError
from ganforge.training.runner import Runner

SMALL = {"channel_base": 64, "channel_max": 8}
SPEC = DataSpec((1, 16, 16))
# With batches of 8: 4x4 in rounds 0 and 1; 8x8 fading in 2 to 4, whole in 5 and 6; 16x16 fading in 7 to 9, then whole.
GROWTH = {"fade": 24, "stable": 16}


def table(network: str = "progan", **changes: Any) -> dict[str, Any]:
    side = {"network": {"kind": network, **SMALL}, "optimizer": {"lr": 2e-3}}
    both = {"generator": changed(side, {"network__latent": 8, "ema": {"half_life_images": 50}}), "discriminator": side}
    if network == "stylegan":
        both["generator"]["network"]["mapping_layers"] = 2
    return changed({"kind": "progressive", "loss": "non-saturating", "growth": GROWTH, **both}, changes)


def play(runner: Runner, rounds: int) -> list[dict[str, Tensor]]:
    """Rounds on what a session would show."""
    source = ToySource(runner.game.data)
    reports = []
    for _ in range(rounds):
        rows = np.arange(runner.images, runner.images + runner.rows) % len(source)
        reports.append(runner.play_round(to_device(source.batch(rows), torch.device("cpu"))))
    return reports


def test_the_paper_s_schedule():
    """Karras et al. 2018, app. A: 800k images at 4x4, then by turns 800k fading in and 800k stable."""
    growth = GrowthRecipe(fade=800_000, stable=800_000)
    stages = growth.plan(32)
    k = 1_000
    assert stages == (
        Stage(4, 0, 0),
        Stage(8, 800 * k, 800 * k),
        Stage(16, 2400 * k, 800 * k),
        Stage(32, 4000 * k, 800 * k),
    )
    expected = {
        0: (4, 1.0),
        799_999: (4, 1.0),
        800_000: (8, 0.0),
        1_000_000: (8, 0.25),
        1_600_000: (8, 1.0),
        2_399_999: (8, 1.0),
        2_400_000: (16, 0.0),
        4_400_000: (32, 0.5),
        4_800_000: (32, 1.0),
        99_000_000: (32, 1.0),
    }
    assert {images: stage_at(stages, images) for images in expected} == expected


def test_resolutions_may_have_budgets_of_their_own():
    growth = GrowthRecipe(
        start=8,
        fade=10,
        stable=20,
        stages=[{"resolution": 16, "fade": 0, "stable": 5}, {"resolution": 8, "fade": 99, "stable": 7}],
    )
    assert growth.plan(32) == (Stage(8, 0, 0), Stage(16, 7, 0), Stage(32, 12, 10))
    assert stage_at(growth.plan(32), 7) == (16, 1.0), "without a fade it is there at once"
    assert GrowthRecipe(start=8, fade=1, stable=1).plan(8) == (Stage(8, 0, 0),)


@pytest.mark.parametrize(
    ("growth", "said"),
    [
        ({"start": 32}, "game.growth.start = 32 is above the data's resolution of 16"),
        ({"stages": [{"resolution": 12, "fade": 0, "stable": 0}]}, "of resolutions 12; expected each once.*4, 8, 16"),
        ({"stages": [{"resolution": 8, "fade": 0, "stable": 0}] * 2}, "of resolutions 8, 8; expected each once"),
    ],
)
def test_a_plan_that_cannot_be(growth: dict[str, Any], said: str):
    with pytest.raises(RecipeError, match=said):
        runner_of(table(growth={**GROWTH, **growth}), SPEC)


def test_a_start_that_is_no_power_of_two():
    with pytest.raises(ValueError, match=r"expected a power of two .* given 12"):
        recipe_of(table(growth={**GROWTH, "start": 12}))


def test_networks_must_grow_and_data_be_images():
    plain = {"kind": "mlp", "latent": 8}
    with pytest.raises(RecipeError, match=r"game.generator.network: a \w+ does not grow; choose one that does"):
        runner_of(table(generator__network=plain), SPEC)
    with pytest.raises(RecipeError, match="square images"):
        runner_of(table(), DataSpec((2,)))


@pytest.mark.parametrize("network", ["progan", "stylegan"])
def test_both_sides_see_the_same_stage(network: str):
    runner = runner_of(table(network), SPEC, batch=8)
    seen: list[tuple[str, int]] = []
    for name, player in runner.players.items():
        player.network.register_forward_hook(
            lambda module, args, out, name=name: seen.append(
                (name, (args[0] if name == "discriminator" else out).shape[2])
            )
        )
    reports = play(runner, 11)
    sizes = [int(report["growth/resolution"]) for report in reports]
    assert sizes == [4, 4, 8, 8, 8, 8, 8, 16, 16, 16, 16]
    blends = [report["growth/blend"].item() for report in reports]
    assert blends == pytest.approx([1, 1, 0, 1 / 3, 2 / 3, 1, 1, 0, 1 / 3, 2 / 3, 1])
    each = len(seen) // 11
    assert [size for _, size in seen] == [size for size in sizes for _ in range(each)]


def test_real_images_are_shown_as_the_stage_has_them():
    runner = runner_of(table(), SPEC, batch=8)
    real = torch.randn(8, 1, 16, 16)
    game = runner.game
    set_clocks(game, 24)  # 8x8, a third faded in
    roll_dice(game, Roll(1, "test", rows=8, total=8))
    boxes = real.view(8, 1, 4, 4, 4, 4).mean((3, 5))
    half = real.view(8, 1, 8, 2, 8, 2).mean((3, 5))
    expected = half / 3 + boxes.repeat_interleave(2, 2).repeat_interleave(2, 3) * 2 / 3
    torch.testing.assert_close(game.discriminator_duel({"image": real}, []).real, expected)
    duel = game.generator_duel({"image": real})
    torch.testing.assert_close(duel.real, expected)
    assert duel.fake.shape == (8, 1, 8, 8)


def test_what_is_not_there_yet_stays_as_it_is():
    """No gradient, no step, no state of the optimizer, no change of the average."""
    runner = runner_of(table(), SPEC, batch=8)
    before = {name: value.clone() for name, value in runner.game.named_parameters()}
    play(runner, 2)
    later = ("blocks", "to_image.1", "to_image.2", "from_image.1", "from_image.2")
    for name, value in runner.game.named_parameters():
        assert torch.equal(value, before[name]) == any(part in name for part in later), name
    for player in runner.players.values():
        names = {parameter: name for name, parameter in player.network.named_parameters()}
        stepped = {names[parameter] for parameter in player.optimizer.state}
        assert not any(part in name for name in stepped for part in later)
        assert len(stepped) > 3
    average = dict(runner.players["generator"].ema.average.named_parameters())
    assert torch.equal(average["blocks.1.refine.weight"], before["generator.blocks.1.refine.weight"])
    play(runner, 9)
    moved = [name for name, value in runner.game.named_parameters() if not torch.equal(value, before[name])]
    assert len(moved) == len(before), "in the end every parameter has moved"
    steps = {int(state["step"]) for state in runner.players["discriminator"].optimizer.state.values()}
    assert max(steps) == 11
    assert min(steps) <= 5, "Adam's count of steps, and so its correction, is each layer's own"


@pytest.mark.parametrize("network", ["progan", "stylegan"])
@pytest.mark.parametrize("cut", [2, 4, 8])
def test_a_run_resumed_across_stages_is_the_same_to_the_bit(network: str, cut: int):
    recipe = table(
        network, discriminator__regularizers=[{"kind": "r1", "every": 2}], discriminator__optimizer__kind="adam"
    )

    def fresh() -> Runner:
        runner = runner_of(recipe, SPEC, batch=8)
        runner.batches = ((0, 8), (40, 4))
        return runner

    whole = fresh()
    play(whole, cut)
    kept = copy.deepcopy(whole.state())
    play(whole, 14 - cut)
    torch.manual_seed(cut)
    resumed = fresh()
    resumed.restore(*kept)
    play(resumed, 14 - cut)
    one, two = whole.state()[0], resumed.state()[0]
    assert whole.images == resumed.images == 5 * 8 + 9 * 4
    assert one.keys() == two.keys()
    assert [path for path in one if not torch.equal(one[path], two[path])] == []


def test_samples_are_brought_to_the_data_s_resolution():
    """Each pixel of the stage is a box, also from the averaged generator, and whoever asks sets the clock."""
    runner = runner_of(table(), SPEC, batch=8)
    play(runner, 1)
    for images, size in ((0, 4), (32, 8), (10_000, 16)):
        runner.images = images
        with runner.averaged() as game, torch.no_grad():
            assert game.generator is runner.players["generator"].ema.average
            roll_dice(game, Roll(2, "grid", rows=4, total=4))
            samples = game.sample(4)
            roll_dice(game, Roll(2, "grid", rows=4, total=4))
            made = game.draw(4)
            small = made.generator(made.latents)
        assert samples.shape == (4, 1, 16, 16)
        assert small.shape == (4, 1, size, size)
        boxes = small.repeat_interleave(16 // size, 2).repeat_interleave(16 // size, 3)
        assert torch.equal(samples, boxes)


def test_sampling_at_a_later_stage_leaves_training_alone():
    one, two = (runner_of(table(), SPEC, batch=8) for _ in range(2))
    for runner in (one, two):
        play(runner, 2)
        if runner is two:
            set_clocks(runner.game, 10_000)
            roll_dice(runner.game, Roll(2, "grid", rows=4, total=4))
            runner.game.sample(4)
        play(runner, 1)
    left, right = one.state()[0], two.state()[0]
    assert [path for path in left if not torch.equal(left[path], right[path])] == []


@pytest.mark.parametrize("augmentation", ["diffaugment", "ada", "replay"])
def test_augmentations_are_those_of_full_resolution(augmentation: str):
    """At every stage they see images of the data's resolution, and the discriminator images of the stage's."""
    runner = runner_of(table(discriminator__augmentations=[{"kind": augmentation}]), SPEC, batch=8)
    seen: list[int] = []
    module = runner.game.augmentations[augmentation]
    module.register_forward_pre_hook(lambda module, args: seen.append(args[0].shape[2]))
    for images in (0, 32, 1_000):
        runner.images = images
        report = play(runner, 1)[0]
        assert all(value.isfinite() for value in report.values())
    assert seen
    assert set(seen) == {16}


def test_labels_path_length_and_penalties_on_points_between():
    """What other games take, this one takes: at each stage all terms are finite."""
    spec = DataSpec((3, 16, 16), 3)
    recipe = table(
        "stylegan",
        loss="wasserstein",
        generator__regularizers=[{"kind": "path-length", "every": 2}],
        discriminator__regularizers=[{"kind": "gradient-penalty"}, {"kind": "drift"}],
    )
    runner = runner_of(recipe, spec, batch=8)
    for images in (0, 16, 24, 64, 72, 1_000):
        runner.images = images
        assert all(value.isfinite() for value in play(runner, 2)[-1].values())


def test_its_networks_play_the_plain_game_at_full_resolution():
    plain = {name: entry for name, entry in table().items() if name != "growth"}
    runner = runner_of({**plain, "kind": "gan"}, SPEC, batch=8)
    play(runner, 1)
    roll_dice(runner.game, Roll(1, "test", rows=2, total=2))
    assert runner.game.sample(2).shape == (2, 1, 16, 16)
    assert "progressive" in catalogue().family("games")


def test_a_batch_is_left_as_it_was():
    game = runner_of(table(), SPEC, batch=8).game
    batch: Batch = {"image": torch.randn(8, 1, 16, 16)}
    kept = batch["image"].clone()
    assert game.at_stage(batch)["image"].shape == (8, 1, 4, 4)
    assert torch.equal(batch["image"], kept)
