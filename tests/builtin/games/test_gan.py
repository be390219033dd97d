"""The plain game of two: which turns there are, what each computes, and what it refuses."""

from __future__ import annotations

import pytest
import torch
from pydantic import ValidationError
from support.installed import catalogue
from support.toys import ToySource, batches, gan_table, recipe_of, runner_of

from ganforge.api.data import DataSpec
from ganforge.api.dice import Roll, roll_dice
from ganforge.api.families import AugmentationNetwork
from ganforge.errors import RecipeError
from ganforge.training.runner import Runner

SPEC = DataSpec((1, 8, 8))
STYLE = {"kind": "stylegan2", "latent": 8, "channel_base": 64, "channel_max": 8, "mapping_layers": 2}


def turns(table: dict[str, object]) -> list[tuple[str, str, int, bool]]:
    return [(turn.name, turn.player, turn.every, turn.lazy) for turn in runner_of(table, SPEC).turns]


def test_two_turns_by_default():
    assert turns(gan_table()) == [("discriminator", "discriminator", 1, False), ("generator", "generator", 1, False)]


def test_regularizers_of_every_round_join_the_main_turn_and_lazy_ones_get_their_own():
    table = gan_table(
        generator__network=STYLE,
        generator__every=2,
        generator__regularizers=[{"kind": "path-length", "every": 4}],
        discriminator__regularizers=[{"kind": "r1", "every": 16}, {"kind": "r2", "every": 1}],
    )
    assert turns(table) == [
        ("discriminator", "discriminator", 1, False),
        ("discriminator/r1", "discriminator", 16, True),
        ("generator", "generator", 2, False),
        ("generator/path-length", "generator", 4, True),
    ]
    runner = runner_of(table, SPEC)
    (batch,) = batches(runner, ToySource(SPEC), 1)
    assert {"discriminator/adversarial", "discriminator/r2"} <= set(runner.take(runner.turns[0], batch))


def forwards(runner: Runner) -> list[int]:
    """The rows of each forward of the discriminator."""
    rows: list[int] = []
    runner.game.discriminator.register_forward_pre_hook(lambda module, args: rows.append(len(args[0])))
    return rows


@pytest.mark.parametrize(
    ("network", "expected"),
    [({"kind": "mlp"}, [32]), ({"kind": "dcgan"}, [16, 16]), ({"kind": "dcgan", "norm": "none"}, [32])],
)
def test_real_and_generated_share_a_forward_where_the_norm_allows(network: dict[str, object], expected: list[int]):
    runner = runner_of(gan_table(discriminator__network=network), SPEC, batch=16)
    (batch,) = batches(runner, ToySource(SPEC), 1)
    rows = forwards(runner)
    runner.take(runner.turns[0], batch)
    assert rows == expected


def test_shared_forwards_need_whole_groups():
    """With groups of 4 neighbours, 6 real samples and 6 generated ones would share a group."""
    table = gan_table(generator__network=STYLE, discriminator__network={**STYLE, "latent": ...})
    table["discriminator"]["network"].pop("latent")
    for batch_size, expected in ((8, [16]), (6, [6, 6])):
        runner = runner_of(table, SPEC, batch=batch_size)
        (batch,) = batches(runner, ToySource(SPEC), 1)
        rows = forwards(runner)
        runner.take(runner.turns[0], batch)
        assert rows == expected


def test_each_turn_costs_the_forwards_it_needs():
    table = gan_table(discriminator__regularizers=[{"kind": "r1", "every": 2}])
    runner = runner_of(table, SPEC, batch=16)
    (batch,) = batches(runner, ToySource(SPEC), 1)
    made: list[int] = []
    runner.game.generator.register_forward_pre_hook(lambda module, args: made.append(len(args[0])))
    rows = forwards(runner)
    runner.play_round(batch)
    assert rows == [32, 16, 16], "main turn in one; R1 looks at real samples alone; the generator's turn at its own"
    assert made == [16, 16], "R1 makes no samples"


def test_augmentation_is_what_the_discriminator_sees_in_every_turn():
    class Noted(AugmentationNetwork):
        rows: list[int] = []  # noqa: RUF012

        def forward(self, samples):
            self.rows.append(len(samples))
            return samples + 0.5

    runner = runner_of(gan_table(discriminator__regularizers=[{"kind": "r1", "every": 2}]), SPEC, batch=16)
    (batch,) = batches(runner, ToySource(SPEC), 1)
    plain = runner.game.discriminator_logits(batch["image"], None)
    runner.game.augmentations["noted"] = Noted()
    assert not torch.equal(runner.game.discriminator_logits(batch["image"], None), plain)
    Noted.rows.clear()
    runner.play_round(batch)
    assert Noted.rows == [32, 16, 16]


def test_samples_follow_labels_and_roll():
    spec = DataSpec((1, 8, 8), 3)
    game = runner_of(gan_table(), spec).game.eval()

    def draw(labels: torch.Tensor | None) -> torch.Tensor:
        roll_dice(game, Roll(1, "test", rows=4, total=4))
        with torch.no_grad():
            return game.sample(4, labels)

    zeros, ones = draw(torch.zeros(4, dtype=torch.long)), draw(torch.ones(4, dtype=torch.long))
    assert zeros.shape == (4, 1, 8, 8)
    assert not torch.equal(zeros, ones)
    assert torch.equal(draw(None), draw(None)), "labels that are not given are drawn from the roll, too"


def test_readings_are_the_mean_scores_of_the_round():
    runner = runner_of(gan_table(), SPEC, batch=16)
    for batch in batches(runner, ToySource(SPEC), 3):
        with torch.no_grad():
            expected = runner.game.discriminator(batch["image"]).mean()
        report = runner.play_round(batch)
        torch.testing.assert_close(report["discriminator/real_score"], expected, rtol=1e-4, atol=1e-6)


def test_a_regularizer_that_does_not_fit_its_network():
    table = gan_table(generator__regularizers=[{"kind": "path-length"}])
    with pytest.raises(RecipeError, match=r"'path-length' needs a StyleGenerator, and .* is a MlpGeneratorNetwork"):
        runner_of(table, SPEC)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"discriminator__regularizers": ["r1", {"kind": "r1", "gamma": 2}]}, "'r1' is named twice"),
        ({"discriminator__regularizers": ["path-length"]}, "regularizes the generator, not the discriminator"),
        ({"generator__regularizers": ["r1"]}, "regularizes the discriminator, not the generator"),
        ({"generator__every": 0}, "greater than 0"),
    ],
)
def test_recipes_that_make_no_sense(changes: dict[str, object], words: str):
    with pytest.raises(ValidationError, match=words):
        recipe_of(gan_table(**changes))


def test_players():
    component = recipe_of().game
    assert list(component.players()) == ["generator", "discriminator"]
    assert component.kind in catalogue().family("games")
