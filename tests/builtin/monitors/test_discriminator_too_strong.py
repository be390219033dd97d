"""The monitor speaks early, for a loss of almost nothing, with the numbers and with overrides that fit the recipe."""

from __future__ import annotations

import tomllib

import pytest
from support.monitors import REAL, ROUNDS, first, grid, log, plan, say

from ganforge.api.monitor import LogLine
from ganforge.api.plan import Plan
from ganforge.builtin.monitors.discriminator_too_strong import DiscriminatorTooStrong

READING = "discriminator/adversarial"
PLAN = Plan(
    {
        "game": {
            "kind": "gan",
            "loss": {"kind": "non-saturating"},
            "discriminator": {"optimizer": {"kind": "adam", "lr": 2e-4}, "regularizers": [], "augmentations": ["ada"]},
        }
    }
)


def line(images: int, **values: float) -> LogLine:
    return LogLine.of(images, images // 32, {name.replace("__", "/"): value for name, value in values.items()})


def test_it_speaks_with_numbers_and_remedies_for_this_recipe() -> None:
    watcher = DiscriminatorTooStrong().build(PLAN)
    assert watcher.look(line(1_000, discriminator__adversarial=0.9)) == []
    (finding,) = watcher.look(line(2_000, discriminator__adversarial=0.0123))
    assert finding.name == "discriminator-too-strong"
    assert "0.0123" in finding.evidence
    assert "2,000" in finding.evidence
    assert "62 rounds" in finding.evidence
    assert finding.remedies == (
        "game.discriminator.optimizer.lr=5e-05",
        'game.discriminator.regularizers.0={ kind = "r1", gamma = 1.0, every = 16 }',
    ), "there are no constraints in this game, and ada is there already"
    for remedy in finding.remedies:
        value = remedy.partition("=")[2]
        assert tomllib.loads(f"value = {value}")


@pytest.mark.parametrize(
    ("images", "readings"),
    [
        (1_000, {READING: 0.1}),  # not under the threshold
        (16_032, {READING: 0.01}),  # not early: 501 rounds
        (1_000, {READING: -5.0}),  # a loss without a lower bound
        (1_000, {READING: 0.0}),  # a game without one
        (1_000, {READING: float("nan")}),
        (1_000, {"generator/adversarial": 0.01}),
        (1_000, {}),
    ],
)
def test_it_is_silent_otherwise(images: int, readings: dict[str, float]) -> None:
    assert DiscriminatorTooStrong().build(PLAN).look(LogLine.of(images, images // 32, readings)) == []


def test_thresholds_are_fields() -> None:
    watcher = DiscriminatorTooStrong(loss=0.5, within_rounds=300, reading="critic/loss").build(PLAN)
    assert watcher.look(LogLine.of(9_000, 281, {"critic/loss": 0.4}))


def test_the_wasserstein_loss_is_not_for_it() -> None:
    watcher = DiscriminatorTooStrong().build(Plan({"game": {"loss": {"kind": "wasserstein"}}}))
    assert watcher.look(LogLine.of(1_000, 1, {READING: 0.01})) == []


@pytest.mark.parametrize(
    ("loss", "ignorant"),
    [("non-saturating", 1.386), ("minimax", 1.386), ("hinge", 2.0), ("relativistic", 0.693), ("least-squares", 0.25)],
)
def test_almost_nothing_is_measured_by_what_knowing_nothing_costs(loss: str, ignorant: float) -> None:
    limit = 0.1 * ignorant / 1.386
    of = plan("dcgan_digits", f"game.loss={loss}")
    assert say(DiscriminatorTooStrong(), log(1, lambda n: {READING: 1.02 * limit}), of) == []
    assert say(DiscriminatorTooStrong(), log(1, lambda n: {READING: 0.98 * limit}), of)


def separated(separation: float, **made: float) -> dict[str, float]:
    return grid(**made) | {"discriminator/separation": separation, READING: 0.3}


def stuck(n: int) -> dict[str, float]:
    moved = {"weights/generator_moved": 0.02, "weights/discriminator_moved": 0.02}
    return grid(contrast=0.2, distance=0.2) | {"discriminator/separation": 1.0, READING: 0.3} | moved


def test_later_it_takes_samples_unlike_real_ones_that_come_no_nearer() -> None:
    number, finding = first(DiscriminatorTooStrong(), log(30, stuck))
    assert number * ROUNDS == 350 + 600, "300 rounds to compare with, then 600"
    assert "100.0%" in finding.evidence
    ahead = log(30, lambda n: stuck(n) | {"weights/discriminator_moved": 0.2})
    number, finding = first(DiscriminatorTooStrong(), ahead, "dcgan_digits", "game.generator.every=20")
    assert number * ROUNDS == 350 + 300, "half as many where it runs ahead"
    assert "10 times as far" in finding.evidence
    assert finding.remedies[0] == "game.generator.every=1"


def test_a_loss_of_almost_nothing_for_long_is_a_victory_too() -> None:
    def won(n: int) -> dict[str, float]:
        return stuck(n) | grid(contrast=0.01 * 1.15**n, distance=0.01 * 1.15**n) | {READING: 0.05 if n > 4 else 0.5}

    number, finding = first(DiscriminatorTooStrong(), log(15, won), "vanilla_digits")
    assert number * ROUNDS == 250 + 100, "although samples come nearer"
    assert "0.05" in finding.evidence
    assert finding.remedies[0] == 'game.loss="non-saturating"'


@pytest.mark.parametrize(
    "well",
    [
        lambda n: grid(contrast=0.5, distance=0.5),  # told apart, but like real ones
        lambda n: grid(contrast=0.01 * 1.15**n, distance=0.01 * 1.15**n),  # nearer and nearer
        lambda n: {"discriminator/separation": 0.9},
    ],
)
def test_told_apart_is_no_failure_by_itself(well) -> None:
    assert say(DiscriminatorTooStrong(), log(30, lambda n: stuck(n) | well(n))) == []


def test_however_many_lines_there_are_it_takes_as_many_rounds() -> None:
    dense = [line for n in range(60) for line in log(1, lambda _: stuck(1), REAL if n == 0 else {})[1 if n else 0 :]]
    lines = [LogLine.of(n * 160, n * 5, line.values) for n, line in enumerate(dense)]
    assert say(DiscriminatorTooStrong(), lines) == [], "300 rounds in 60 lines"
    sparse = [LogLine.of(n * 16_000, n * 500, line.values) for n, line in enumerate(dense[:5])]
    assert say(DiscriminatorTooStrong(), sparse)[0][0] == 4


def test_the_first_line_is_early_enough_and_the_second_is_not() -> None:
    lost = {READING: 0.01}
    assert say(DiscriminatorTooStrong(), [LogLine.of(8_000, 250, lost)])
    assert say(DiscriminatorTooStrong(), [LogLine.of(8_000, 250, {READING: 0.5}), LogLine.of(16_000, 500, lost)]) == []


def test_what_stands_out_in_the_recipe_is_mended_first() -> None:
    fast = ("game.discriminator.optimizer.lr=2e-3", "game.generator.every=5")
    _, finding = first(DiscriminatorTooStrong(), log(1, lambda n: {READING: 0.01}), "vanilla_digits", *fast)
    assert finding.remedies[:2] == ("game.discriminator.optimizer.lr=0.0002", "game.generator.every=1")
