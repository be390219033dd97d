"""A quick part of the battery, and the table that the whole of it makes (`python tests/battery/run.py`)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from battery.cases import CASES, FAILURES, HEALTHY, Case
from battery.planted import PlantedData, catalogue
from battery.play import PATIENCE, Found, Log, Outcome, judge, kept_log, play, recipe_of
from battery.run import COMMAND, PAGE, try_case, try_remedies
from battery.table import FAILURE_HEADS, HEALTHY_HEADS, Trial, is_first, page, went_away

from ganforge.builtin.data.digits import Digits


def case_of(name: str, rounds: int | None = None) -> Case:
    """The case of that name; with so many rounds of 32."""
    case = next(case for case in CASES if case.name == name)
    return case if rounds is None else replace(case, overrides=(*case.overrides, f"run.images={32 * rounds}"))


def found(name: str, round_: int = 50, *, holds: bool = True, severity: str = "failure") -> Found:
    return Found(name, severity, round_, holds, "")


def outcome(
    case: Case, *said: Found, seed: int = 0, blamed: str | None = None, remedies: tuple[str, ...] = ()
) -> Outcome:
    return Outcome(case.name, seed, 1_500, 30.0, said, remedies, blamed)


# the cases themselves


def test_every_case_is_a_recipe_and_names_what_monitors_say():
    kinds = catalogue().family("monitors")
    for case in CASES:
        recipe = recipe_of(case, 0)
        assert recipe.run.images / recipe.run.batch <= 2_000, case.name
        assert set(case.names) <= set(kinds), case.name
    assert len({case.slug for case in CASES}) == len(CASES)
    assert all(case.names for case in FAILURES)
    assert not any(case.names for case in HEALTHY)


@pytest.mark.parametrize(
    ("defect", "least", "most"), [("raw", 0, 255), ("unit", 0, 1), ("black", 0, 0), ("copies", 0, 255)]
)
def test_planted_data_are_as_they_are_called(defect: str, least: float, most: float, tmp_path: Path):
    source = PlantedData(data=Digits(), defect=defect, samples=2).open(tmp_path)
    image = source.batch(np.arange(64))["image"]
    assert (image.min().item(), image.max().item()) == (least, most)
    assert len({row.numpy().tobytes() for row in image}) == {"black": 1, "copies": 2}.get(defect, 64)


def test_one_sample_of_many_is_not_a_number(tmp_path: Path):
    image = PlantedData(data=Digits(), defect="nan").open(tmp_path).batch(np.arange(64))["image"]
    assert torch.isnan(image).flatten(1).all(1).tolist() == [True, *[False] * 63]


# a quick part of what the command plays


@pytest.mark.parametrize(
    ("name", "rounds"),
    [
        ("one image", 1),
        ("copies", 1),
        ("black images", 1),
        ("scrambled channels", 1),
        ("one label", 1),
        ("data in [0, 255]", 100),
        ("sigmoid output", 150),
        ("NaN in the data", 60),
    ],
)
def test_what_is_planted_is_found_and_named_first(name: str, rounds: int):
    case = case_of(name, rounds)
    said = judge(case, 0, (), play(case, 0))
    assert said.right(case), said.names
    assert is_first(case, said), said.names


def test_the_term_that_was_not_finite_first_is_named():
    case = replace(case_of("NaN in the loss"), overrides=(*case_of("NaN in the loss").overrides, "run.images=9_600"))
    log = play(case, 0)
    assert log.rounds == 200
    assert judge(case, 0, (), log).blamed == "term adversarial"


@pytest.mark.parametrize("name", ["dcgan_digits", "vanilla_digits", "acgan_digits"])
def test_nothing_is_said_of_what_is_well(name: str):
    case = case_of(name, 150)
    assert judge(case, 0, (), play(case, 0)).alarms == ()


def test_the_remedy_mends_a_player_at_rest(tmp_path: Path):
    case = case_of("generator at rest", 150)
    trial = try_case(case, 0, tmp_path)
    assert trial.outcome.right(case)
    assert trial.healed(case) is trial.tried[0]


def test_remedies_that_the_recipe_refuses_do_not_heal(tmp_path: Path):
    case = case_of("mode collapse")
    attempt = try_remedies(case, 0, ["game.generator.optimizer.lr=-1"], tmp_path)
    assert attempt.blamed is not None
    assert attempt.blamed.startswith("refused: ")
    assert not went_away(case, outcome(case, found("mode-collapse")), attempt)


def test_a_failing_run_ends_a_little_after_it_was_found_out(tmp_path: Path):
    case = case_of("one image", 50)
    case = replace(case, overrides=(*case.overrides, "run.log_every_images=32"))
    log = kept_log(case, 0, (), tmp_path)
    assert (log.rounds, log.whole) == (PATIENCE, False)
    assert kept_log(replace(case, names=("slow",)), 0, (), tmp_path).rounds == 50, "not for what is asked for now"


def test_a_log_that_was_kept_is_not_played_again(tmp_path: Path):
    case = case_of("one image", 1)
    log = kept_log(case, 0, (), tmp_path)
    (path,) = tmp_path.iterdir()
    path.write_text(path.read_text().replace('"rounds": 1', '"rounds": 7'))
    again = kept_log(case, 0, (), tmp_path)
    assert (log.rounds, again.rounds) == (1, 7)
    assert again.lines == log.lines
    kept_log(case, 1, (), tmp_path)
    assert len(list(tmp_path.iterdir())) == 2


# counting


def test_a_finding_has_gone_away_only_if_it_would_have_stayed():
    case = case_of("mode collapse")
    lasting, passing = found("mode-collapse"), found("mode-collapse", holds=False)
    other = found("oscillation", holds=False)
    assert went_away(case, outcome(case, lasting), outcome(case))
    assert went_away(case, outcome(case, lasting), outcome(case, passing))
    assert went_away(case, outcome(case, passing), outcome(case))
    assert not went_away(case, outcome(case, lasting), outcome(case, lasting))
    assert not went_away(case, outcome(case, passing), outcome(case, passing))
    assert not went_away(case, outcome(case, lasting), outcome(case, blamed="term adversarial"))
    assert not went_away(case, outcome(case), outcome(case, other)), "there was nothing to go away"


def test_the_page_counts_what_was_found():
    collapse, rest, well = case_of("mode collapse"), case_of("generator at rest"), case_of("dcgan_digits")
    failing = [
        Trial(outcome(collapse, found("mode-collapse", 100), seed=0)),
        Trial(outcome(collapse, found("slow", 50, severity="warning"), found("mode-collapse", 300), seed=1)),
        Trial(outcome(collapse, seed=2)),
        Trial(outcome(rest, found("dead-player", 100)), (outcome(rest, remedies=("a=1", "b=2")),)),
    ]
    healthy = [
        replace(outcome(well, seed=0), variety=0.5),
        replace(outcome(well, found("mode-collapse", severity="warning"), seed=1), variety=0.25),
        outcome(well, found("oscillation", holds=False), seed=2),
    ]
    text = page(failing, healthy, COMMAND)
    assert "- found: 3 of 4 (75.0 %); the right name first: 2 of 4 (50.0 %)" in text
    assert "- healed, where a remedy could be tried: 1 of 1 (100.0 %)" in text
    assert "- runs of recipes that are well with a false alarm: 1 of 3" in text
    assert "- 8 runs, 4 minutes of one processor core" in text
    rows = {row.split(" | ")[0].removeprefix("| "): row for row in text.splitlines() if row.startswith("| ")}
    said = "mode-collapse (1), slow (1), nothing (1)"
    assert rows["mode collapse"] == (
        f"| mode collapse | {collapse.what} | 2 of 3 | 200, at most 300 | 1 of 3 | – | {said} |"
    )
    assert rows["generator at rest"] == (
        f"| generator at rest | {rest.what} | 1 of 1 | 100 | 1 of 1 | 1 of 1: `a=1` and `b=2` | dead-player |"
    )
    assert rows["dcgan_digits"] == (
        f"| dcgan_digits | {well.what} | 1,500 | 0.25 | 1 of 3: oscillation (1) | mode-collapse (1) |"
    )


def test_variety_is_that_of_the_last_grid_over_that_of_real_samples():
    lines = [
        {"images": 0, "round": 0, "values": {"real/variance": 0.5, "grid/variance": 0.0}},
        {"images": 32, "round": 1, "values": {"grid/variance": 0.2}},
        {"images": 32, "round": 1, "values": {"some-metric": 1.0}},
    ]
    assert judge(case_of("dcgan_digits"), 0, (), Log(1, 1.0, lines)).variety == pytest.approx(0.4)


def test_what_ended_a_run_is_found_and_blamed():
    case = case_of("overflow")
    end = {"name": "non-finite", "severity": "failure", "evidence": "", "remedies": [], "term": None, "layer": "a.b"}
    said = judge(case, 0, (), Log(12, 1.0, [], end))
    assert said.names == ("non-finite",)
    assert (said.found[0].round, said.blamed) == (12, "layer a.b")


def test_the_committed_page_is_of_the_form_that_the_command_makes():
    """Every case has its row, in order, under the same heads, and the same words around the numbers."""
    failing = [Trial(outcome(case, seed=seed)) for case in FAILURES for seed in range(2)]
    healthy = [outcome(case, seed=seed) for case in HEALTHY for seed in range(2)]
    made = page(failing, healthy, COMMAND).splitlines()
    committed = PAGE.read_text().splitlines()
    assert [first(line) for line in committed] == [first(line) for line in made], f"run: {COMMAND}"
    for heads in (FAILURE_HEADS, HEALTHY_HEADS):
        assert set(heads) <= set(committed)


def first(line: str) -> str:
    """What of a line does not depend on what was found: of a row its first two columns, of others what is no number."""
    if line.startswith("| "):
        return " | ".join(line.split(" | ")[:2])
    return line.partition(":")[0] if line.startswith("- found") or line.startswith("- healed") else strip(line)


def strip(line: str) -> str:
    return " ".join(word for word in line.split() if not any(letter.isdigit() for letter in word))
