"""Samples that are plain, all alike, alike within a class, or were better before; runs that became slow."""

from __future__ import annotations

import math

import pytest
from support.monitors import BATCH, REAL, ROUNDS, first, grid, log, plan, say

from ganforge.api.families import Monitor
from ganforge.api.monitor import LogLine
from ganforge.builtin.monitors.constant_output import ConstantOutput
from ganforge.builtin.monitors.dead_codes import DeadCodes
from ganforge.builtin.monitors.memorisation import MemorisationMonitor
from ganforge.builtin.monitors.metric_turned import MetricTurned
from ganforge.builtin.monitors.mode_collapse import ModeCollapse
from ganforge.builtin.monitors.partial_collapse import PartialCollapse
from ganforge.builtin.monitors.parts.trends import noise, swings, turns
from ganforge.builtin.monitors.slow import Slow

MONITORS = (ConstantOutput(), ModeCollapse(), PartialCollapse(), Slow())
MODES = 'metrics=[{kind="mode-coverage", every_images=1_600}]'


def learning(n: int) -> dict[str, float]:
    speed = {"speed/images_per_second": 1_000.0 * (0.3 if n % 5 == 0 else 1.0)}
    return grid(1 - math.exp(-n / 6), duplicates=1.0 if n < 3 else 0.0) | speed


@pytest.mark.parametrize("monitor", MONITORS, ids=lambda monitor: monitor.kind)
def test_they_are_silent_while_samples_become_like_real_ones(monitor: Monitor) -> None:
    assert say(monitor, log(40, learning)) == []


@pytest.mark.parametrize("monitor", MONITORS, ids=lambda monitor: monitor.kind)
def test_readings_that_are_missing_are_no_sign(monitor: Monitor) -> None:
    assert say(monitor, log(40, lambda n: {"generator/adversarial": 1.0}, {})) == []
    assert say(monitor, log(40, lambda n: grid(0.001, duplicates=0.0), {})) == [], "without real samples"


def test_plain_images_are_named_once_the_start_is_over() -> None:
    number, finding = first(ConstantOutput(), log(10, lambda n: grid(contrast=0.014, mean=-0.02)))
    assert number * ROUNDS == 250 + ROUNDS
    assert "grey" in finding.symptom
    assert "2.0%" in finding.evidence
    _, black = first(ConstantOutput(), log(10, lambda n: grid(contrast=0.0, mean=-0.99)))
    assert "black" in black.symptom


@pytest.mark.parametrize(
    ("made", "number"),
    [({"distance": 0.0315}, "5.0%"), ({"nearest": 0.01}, "3.0%"), ({"duplicates": 0.9}, "90%")],
)
def test_samples_that_are_alike_have_collapsed(made: dict[str, float], number: str) -> None:
    line, finding = first(ModeCollapse(), log(15, lambda n: grid(**made)))
    assert line * ROUNDS == 400 + 2 * ROUNDS
    assert number in finding.evidence
    assert finding.severity == "failure"


def test_a_latent_of_one_number_is_the_cause() -> None:
    lines = log(15, lambda n: grid(nearest=0.01))
    _, finding = first(ModeCollapse(), lines, "dcgan_digits", "game.generator.network.latent=1")
    assert finding.remedies[0] == "game.generator.network.latent=64"
    assert "a latent of 1 number:" in finding.cause


def test_remedies_name_what_stands_out_in_the_recipe() -> None:
    lines = log(15, lambda n: grid(0.04))
    _, slow = first(ModeCollapse(), lines, "vanilla_ring")
    assert slow.remedies[0].startswith("game.discriminator.optimizer.lr={ start = 0.001, end = 0.0001,"), (
        "the generator's"
    )
    bare = ("game.generator.network.norm=none", "game.discriminator.network.norm=none")
    _, deep = first(ModeCollapse(), lines, "dcgan_digits", *bare)
    assert deep.remedies[:2] == ('game.generator.network.norm="batch"', 'game.discriminator.network.norm="batch"')


def test_variety_that_is_lost_is_a_collapse() -> None:
    lines = log(30, lambda n: grid(distance=0.6 if n < 15 else 0.6 * 0.85 ** (n - 15)))
    number, finding = first(ModeCollapse(), lines)
    assert 0.85 ** (number - 15 - 2) < 0.3 <= 0.85 ** (number - 15 - 3)
    assert "0.6 at its highest" in finding.evidence


def test_twins_among_real_samples_excuse_those_among_generated_ones() -> None:
    assert say(ModeCollapse(), log(15, lambda n: grid(duplicates=0.9), REAL | {"real/duplicates": 0.8})) == []


def test_one_class_that_collapses_is_not_all() -> None:
    lines = log(15, lambda n: grid(least_class_distance=0.04))
    _, finding = first(PartialCollapse(), lines, "acgan_digits")
    assert "10.0%" in finding.evidence
    assert say(ModeCollapse(), lines) == []
    assert say(PartialCollapse(), log(15, lambda n: grid(0.1))) == [], "all samples are alike: another's to say"


@pytest.mark.parametrize(("sort", "weight", "alive"), [("categorical", 1.0, 2.2), ("continuous", 0.1, 0.2)])
def test_codes_that_samples_tell_nothing_about(sort: str, weight: float, alive: float) -> None:
    def information(nats: float):
        return lambda n: grid() | {f"generator/{sort}-information": -weight * nats}

    number, finding = first(DeadCodes(), log(25, information(0.005)), "infogan_digits")
    assert number * ROUNDS == 750 + 3 * ROUNDS
    assert sort in finding.symptom
    assert "0.005 nats" in finding.evidence
    assert finding.remedies[0].startswith(f"game.{sort}_weight=")
    assert say(DeadCodes(), log(25, information(alive)), plan("infogan_digits")) == []
    assert say(DeadCodes(), log(25, information(0.005)), plan("dcgan_digits")) == [], "no such game"


def measured(values: list[float], name: str = "reverse-kl") -> list[LogLine]:
    return [LogLine.of(n * BATCH * ROUNDS, n * ROUNDS, {name: value}) for n, value in enumerate(values, 1)]


def test_a_metric_that_turned_says_how_much_was_wasted() -> None:
    recipe = ("r3gan_ring", MODES, "run.images=16_000")
    number, finding = first(MetricTurned(), measured([0.9, 0.5, 0.2, 0.1, 0.2, 0.3, 0.4, 0.5]), *recipe)
    assert number == 7 - 1, "three measurements after the best"
    assert finding.severity == "warning"
    assert "best 0.1 after 6,400 images" in finding.evidence
    assert "30% of the run's 16,000 images" in finding.evidence, "4,800 of 16,000"
    assert finding.remedies[0] == "run.images=6400"


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ([0.9, 0.5, 0.3, 0.2, 0.15, 0.12, 0.11], "reverse-kl"),
        ([0.9, 0.5, 0.3, 0.2, 0.21, 0.20, 0.21], "reverse-kl"),
        ([0.5, 0.2, 0.4, 0.1, 0.4, 0.15, 0.5, 0.2, 0.45], "reverse-kl"),  # that is its noise
        ([1.0, 4.0, 6.0, 7.0, 8.0, 8.0, 8.0, 8.0], "modes-covered"),  # more is better
        ([0.1, 0.2, 0.4, 0.8, 1.6], "unknown"),
    ],
)
def test_metrics_that_have_not_turned(values: list[float], name: str) -> None:
    assert say(MetricTurned(), measured(values, name), plan("r3gan_ring", MODES)) == []


def test_fewer_modes_is_worse() -> None:
    values = [2.0, 8.0, 8.0, 3.0, 3.0, 2.0, 2.0, 1.0]
    assert say(MetricTurned(), measured(values, "modes-covered"), plan("r3gan_ring", MODES))


def test_modes_that_were_lost_are_a_collapse_and_modes_that_come_are_not() -> None:
    lost = measured([4.0, 8.0, 7.0, 3.0, 2.0], "modes-covered")
    number, finding = first(ModeCollapse(), lost, "r3gan_ring", MODES)
    assert number == 4, "two measurements in a row"
    assert "modes-covered was 8 at its best and is 2" in finding.evidence
    assert say(ModeCollapse(), measured([0.0, 2.0, 5.0, 8.0, 7.0], "modes-covered"), plan("r3gan_ring", MODES)) == []


def test_fewer_modes_of_worse_samples_are_no_collapse() -> None:
    values = [(4.0, 0.1), (8.0, 0.2), (8.0, 0.2), (2.0, 0.01), (1.0, 0.0)]
    lines = [
        LogLine.of(n * 1_600, n * 50, {"modes-covered": modes, "high-quality": good})
        for n, (modes, good) in enumerate(values, 1)
    ]
    assert say(ModeCollapse(), lines, plan("r3gan_ring", MODES)) == []


def test_a_class_far_from_the_others_by_its_metric() -> None:
    def distances(worst: float) -> list[LogLine]:
        values = {"per-class-fid": 20.0, "per-class-fid-worst": worst, "per-class-fid-three": worst}
        return [LogLine.of(n * 6_400, n * 100, values) for n in range(1, 4)]

    number, finding = first(PartialCollapse(), distances(120.0), "acgan_digits")
    assert number == 1, "twice in a row"
    assert "120" in finding.evidence
    assert say(PartialCollapse(), distances(60.0)) == []


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"memorised-pixels": 0.6, "nearest-train-ratio-pixels": 0.9, "data-copying-pixels": -1.0}, "60%"),
        ({"memorised": 0.01, "nearest-train-ratio": 0.2, "data-copying": -1.0}, "0.20"),
        ({"memorised": 0.05, "nearest-train-ratio": 0.7, "data-copying": -9.0}, "-9.0"),
    ],
)
def test_copies_of_training_images(values: dict[str, float], told: str) -> None:
    lines = [LogLine.of(n * 6_400, n * 100, values) for n in range(1, 4)]
    number, finding = first(MemorisationMonitor(), lines)
    assert number == 1, "twice in a row"
    assert told in finding.evidence
    well = {"memorised": 0.01, "nearest-train-ratio": 1.1, "data-copying": -6.0}
    assert say(MemorisationMonitor(), [LogLine.of(n * 6_400, n * 100, well) for n in range(1, 9)]) == []


def test_slow_for_long_is_told_and_for_a_line_not() -> None:
    def speed(n: int) -> dict[str, float]:
        return {"speed/images_per_second": 300.0 if n > 10 else 1_000.0}

    number, finding = first(Slow(), log(20, speed))
    assert number == 16
    assert finding.severity == "warning"
    assert say(Slow(), log(20, speed), plan("progan_faces")) == [], "a game that grows"


def test_turns_swings_and_noise() -> None:
    assert turns([0, 3, 1, 4, 4, 2], 1.5) == [3, 2, 3, 2]
    assert turns([0, 3, 2, 4], 1.5) == [4], "small ways back are noise"
    assert turns([1, 1, 1], 0.1) == []
    assert turns([], 1.0) == []
    assert swings([1.0, 8.0, 2.0], 2.0) == pytest.approx([8.0, 4.0])
    assert noise([1.0, 2.0, 3.0, 4.0]) == 0.0, "a course is no noise"
    assert noise([1.0, 2.0]) == 0.0
