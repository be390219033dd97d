"""What is wrong with data shows before the first round; what is well there is left alone."""

from __future__ import annotations

import math

import pytest
from support.monitors import REAL, first, grid, group, log, plan, say

from ganforge.api.families import Monitor
from ganforge.builtin.monitors.blank_data import BlankData
from ganforge.builtin.monitors.exchanged_channels import ExchangedChannels
from ganforge.builtin.monitors.little_data import LittleData
from ganforge.builtin.monitors.non_finite import NonFinite
from ganforge.builtin.monitors.range_mismatch import RangeMismatch
from ganforge.builtin.monitors.repeated_data import RepeatedData
from ganforge.builtin.monitors.scrambled_data import ScrambledData
from ganforge.builtin.monitors.unlabelled_data import UnlabelledData

DIGITS = REAL | group(
    "data",
    count=1_797.0,
    duplicates=0.0,
    constant=0.0,
    min=-1.0,
    max=1.0,
    roughness_down=0.07,
    roughness_across=0.16,
    labelled=1.0,
    classes_seen=10.0,
    largest_class=0.102,
)
FEW_LABELS = DIGITS | group("data", labelled=0.01)
CIFAR = DIGITS | group("data", warm=0.602, cool=0.224, sky=0.064)  # as measured; ships: blue, with a sky or none
SHIPS = DIGITS | group("data", warm=0.17, cool=0.64, sky=0.104)
POINTS = {name: value for name, value in DIGITS.items() if "roughness" not in name and "contrast" not in name}
MONITORS = (
    BlankData(),
    ExchangedChannels(),
    LittleData(),
    NonFinite(),
    RangeMismatch(),
    RepeatedData(),
    ScrambledData(),
    UnlabelledData(),
)


@pytest.mark.parametrize("monitor", MONITORS, ids=lambda monitor: monitor.kind)
@pytest.mark.parametrize(
    "data", [DIGITS, FEW_LABELS, CIFAR, SHIPS, POINTS], ids=["digits", "few labels", "cifar10", "ships", "points"]
)
def test_they_are_silent_where_data_are_well(monitor: Monitor, data: dict[str, float]) -> None:
    assert say(monitor, log(3, lambda n: grid(0.3 * n), data | grid(0.01, min=-0.03, max=0.02))) == []


@pytest.mark.parametrize(
    ("monitor", "wrong", "severity", "number"),
    [
        (BlankData(), {"constant": 1.0}, "failure", "100%"),
        (BlankData(), {"constant": 0.06}, "warning", "6%"),
        (RepeatedData(), {"count": 1.0}, "failure", "single"),
        (RepeatedData(), {"duplicates": 0.966}, "failure", "97%"),
        (RepeatedData(), {"duplicates": 0.2}, "warning", "20%"),
        (LittleData(), {"count": 40.0}, "warning", "1,500 times"),
        (ScrambledData(), {"roughness_down": 0.9, "roughness_across": 0.7}, "warning", "0.90"),
        (ScrambledData(), {"roughness_down": 0.9, "roughness_across": 0.1}, "warning", "0.10"),
        (ExchangedChannels(), {"warm": 0.224, "cool": 0.602, "sky": -0.064}, "warning", "60%"),  # CIFAR-10, exchanged
        (ExchangedChannels(), {"warm": 0.0, "cool": 0.94, "sky": -0.006}, "warning", "94%"),
        (UnlabelledData(), {"labelled": 0.0, "classes_seen": 0.0}, "failure", "none"),
        (UnlabelledData(), {"classes_seen": 1.0, "largest_class": 1.0}, "failure", "100.0%"),
        (UnlabelledData(), {"largest_class": 0.95}, "warning", "95.0%"),
    ],
)
def test_they_say_what_is_wrong_before_the_first_round(
    monitor: Monitor, wrong: dict[str, float], severity: str, number: str
) -> None:
    line, finding = first(monitor, log(1, lambda n: {}, DIGITS | group("data", **wrong)))
    assert line == 0
    said = say(monitor, log(3, lambda n: grid(), DIGITS | group("data", **wrong)))
    assert [number for number, _ in said] == [0, 1, 2, 3], "it holds: data do not change"
    assert finding.severity == severity
    assert number in finding.evidence


def test_few_samples_are_enough_with_augmentation() -> None:
    few = log(1, lambda n: {}, DIGITS | {"data/count": 40.0})
    augmented = 'game.discriminator.augmentations=["diffaugment"]'
    _, finding = first(LittleData(), few, "dcgan_digits")
    assert any("ada" in remedy for remedy in finding.remedies)
    assert say(LittleData(), few, plan("dcgan_digits", augmented)) == []


SIGMOID = {"min": 0.02, "max": 0.97, "mean": 0.4}


@pytest.mark.parametrize(
    ("data", "made", "line"),
    [
        ({"min": -1.0, "max": 1.0}, SIGMOID, 2),
        ({"min": 0.0, "max": 255.0}, {"min": -1.0, "max": 1.0}, 1),
        ({"min": -1.0, "max": 2.6}, {"min": -1.0, "max": 1.0}, 1),
        ({"min": 0.0, "max": 1.0}, {"min": -0.9, "max": 1.0}, 1),
    ],
    ids=["sigmoid", "0 to 255", "standardised", "0 to 1"],
)
def test_ranges_that_do_not_fit(data: dict[str, float], made: dict[str, float], line: int) -> None:
    said, finding = first(RangeMismatch(), log(3, lambda n: grid(**made), DIGITS | group("data", **data)))
    assert said == line
    assert f"{data['max']:.3g}" in finding.evidence
    assert f"{made['min']:.3g}" in finding.evidence


def test_both_in_0_to_1_fit() -> None:
    lines = log(3, lambda n: grid(**SIGMOID), DIGITS | group("data", min=0.0, max=1.0))
    assert say(RangeMismatch(), lines) == []


def test_once_negative_is_no_sigmoid() -> None:
    lines = log(3, lambda n: grid(min=-0.3 if n == 1 else 0.1, max=0.9), DIGITS)
    assert say(RangeMismatch(), lines) == []


def test_the_first_value_that_is_no_number_is_named_and_data_come_first() -> None:
    bad = {"generator/adversarial": math.nan, "data/min": math.nan, "discriminator/adversarial": 1.0}
    _, finding = first(NonFinite(), log(1, lambda n: {}, bad))
    assert finding.evidence.startswith("first data/min")
    assert finding.severity == "failure"
    assert finding.remedies == ()
    lines = log(4, lambda n: {"discriminator/r1": math.inf if n == 3 else 1.0, "generator/adversarial": 0.0})
    number, finding = first(NonFinite(), lines)
    assert number == 3
    assert "discriminator/r1" in finding.evidence
    assert finding.remedies[0].startswith("game.discriminator.optimizer.lr=")


def test_one_sample_has_no_neighbours_and_that_is_another_matter() -> None:
    assert say(NonFinite(), log(1, lambda n: {}, DIGITS | {"real/nearest": math.inf, "real/distance": math.nan})) == []


def test_a_metric_that_is_no_number_is_a_warning() -> None:
    assert first(NonFinite(), log(2, lambda n: {"fid": math.nan}))[1].severity == "warning"
