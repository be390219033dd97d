"""`ganforge diagnose` tells what a log holds: findings, whether they hold, curves; of old runs and young ones, too."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from support.run_folders import write_run
from support.toys import gan_table, recipe_of

from ganforge.cli.diagnose import command
from ganforge.cli.terminal.plots import LEVELS, column_of, resample, sparkline
from ganforge.recipes.toml_writer import recipe_to_toml

ANSI = re.compile(r"\x1b\[[\d;]*m")
STRONG = {"discriminator/adversarial": 0.01, "generator/adversarial": 7.0, "speed/images_per_second": 100.0}
FAIR = {**STRONG, "discriminator/adversarial": 1.2}


def run_of(
    folder: Path, lines: Sequence[tuple[int, Mapping[str, Any]]], events: Sequence[Mapping[str, Any]] = (), **run: Any
) -> Path:
    """A run's folder with this log."""
    folder.mkdir()
    recipe = recipe_of(
        gan_table(), run__images=9_000, diagnosis__standard=False, monitors=[{"kind": "discriminator-too-strong"}]
    )
    (folder / "recipe.toml").write_text(recipe_to_toml(recipe))
    records = [{"images": at, "round": at // 100, "time": 0.0, "values": values} for at, values in lines]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    (folder / "events.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
    (folder / "run.json").write_text(json.dumps({"status": "finished", "start": 1e9, "end": 1e9 + 60, **run}))
    return folder


def diagnose(folder: Path, *options: str) -> Result:
    result = CliRunner().invoke(command, [str(folder), *options], env={"COLUMNS": "80", "GANFORGE_PLUGINS": ""})
    assert result.exception is None, result.exception
    return result


def test_a_finding_that_went_away(tmp_path: Path):
    said = diagnose(run_of(tmp_path / "run", [(1_000, FAIR), (2_000, STRONG), (3_000, STRONG), (4_000, FAIR)])).output
    assert "finished, 4,000 of 9,000 images shown (44 %)" in said
    assert "! discriminator-too-strong  after 2,000 images, until 3,000" in said
    assert "--set game.discriminator.optimizer.lr=0.0005" in said
    assert re.search(r"D loss +[▁▂▃▄▅▆▇█]+ +1\.200  0\.0100 to 1\.200 log", said)
    assert max(len(ANSI.sub("", line)) for line in said.splitlines()[1:] if "--set" not in line) <= 80


def test_nothing_wrong(tmp_path: Path):
    said = diagnose(run_of(tmp_path / "run", [(1_000, FAIR), (2_000, FAIR)])).output
    assert "nothing wrong was seen  by 1 monitors in 2 lines" in said


def test_json_and_findings_that_only_the_run_could_make(tmp_path: Path):
    details = {"name": "non-finite", "symptom": "it burst", "evidence": "e", "cause": "c", "remedies": ["seed=1"]}
    event = {"images": 2_000, "time": 0.0, "kind": "finding", "text": "it burst", "details": details}
    lines = [(1_000, STRONG), (2_000, {**STRONG, "grid/variance": None})]
    folder = run_of(tmp_path / "run", lines, [event], status="failed", reason="it burst")
    found = json.loads(diagnose(folder, "--json").output)
    assert (found["status"], found["reason"], found["images"], found["budget"]) == ("failed", "it burst", 2_000, 9_000)
    strong, burst = sorted(found["findings"], key=lambda finding: finding["name"])
    assert (strong["name"], strong["first"], strong["last"], strong["holds"]) == (
        "discriminator-too-strong",
        1_000,
        2_000,
        True,
    )
    assert (burst["name"], burst["first"], burst["remedies"]) == ("non-finite", 2_000, ["seed=1"])
    assert found["readings"]["discriminator/adversarial"] == {"last": 0.01, "least": 0.01, "most": 0.01, "lines": 2}
    assert "grid/variance" not in found["readings"]


def test_what_the_run_itself_found_goes_before_what_its_log_tells(tmp_path: Path):
    """As where a gradient was not finite, of which the log knows no layer."""
    said = {"name": "discriminator-too-strong", "symptom": "first in layer d.1", "evidence": "e", "cause": "c"}
    by_monitor = {**said, "monitor": "discriminator-too-strong", "symptom": "by a monitor"}
    events = [
        {"images": 1_000, "time": 0.0, "kind": "finding", "text": "", "details": details}
        for details in (said, by_monitor)
    ]
    found = json.loads(diagnose(run_of(tmp_path / "run", [(1_000, STRONG)], events), "--json").output)["findings"]
    assert [finding["symptom"] for finding in found] == ["first in layer d.1"]
    only = json.loads(diagnose(run_of(tmp_path / "other", [(1_000, STRONG)], events[1:]), "--json").output)["findings"]
    assert [finding["first"] for finding in only] == [1_000]
    assert only[0]["symptom"] != "by a monitor", "the monitor says it anew"


def test_a_run_that_was_rolled_back(tmp_path: Path):
    lines = [(1_000, FAIR), (2_000, STRONG), (1_000, {"run/rollbacks": 1.0}), (2_000, FAIR), (3_000, FAIR)]
    said = diagnose(run_of(tmp_path / "run", lines)).output
    assert "rolled back 1 time\n" in said
    assert "! discriminator-too-strong  after 2,000 images, before roll-back 1" in said


def test_metrics_show_their_best(tmp_path: Path):
    folder = run_of(
        tmp_path / "run", [(at, {"fid": value}) for at, value in ((1_000, 9.0), (2_000, 4.0), (3_000, 6.0))]
    )
    said = diagnose(folder).output
    assert re.search(r"fid +[▁▂▃▄▅▆▇█]+ +6\.000  4\.000 to 9\.000", said), "nobody says which way it is better"


def test_the_best_of_a_metric_that_the_recipe_measures(tmp_path: Path):
    folder = write_run(tmp_path / "run", [(100, 0.5), (200, 0.1), (300, None), (400, 0.3)])
    assert re.search(r"reverse-kl +[▁▂▃▄▅▆▇█ ]+ +0\.3000  best 0\.1000 at 200", diagnose(folder).output)


def test_a_recipe_that_cannot_be_read_any_more(tmp_path: Path):
    folder = run_of(tmp_path / "run", [(1_000, STRONG)])
    text = (folder / "recipe.toml").read_text()
    (folder / "recipe.toml").write_text(f"gone = 1\n{text}")
    said = diagnose(folder).output
    assert "its recipe is not one of today" in said
    assert "discriminator-too-strong" in said
    assert "of 9,000 images" in said


def test_a_run_that_has_only_just_begun(tmp_path: Path):
    said = diagnose(run_of(tmp_path / "run", [], status="running", end=None)).output
    assert "running, 0 of 9,000 images shown" in said
    assert "nothing was logged yet" in said


def test_thresholds_can_be_tried(tmp_path: Path):
    folder = run_of(tmp_path / "run", [(1_000, FAIR)])
    assert "discriminator-too-strong" in diagnose(folder, "--set", "monitors.0.loss=2.0").output


def test_no_run(tmp_path: Path):
    result = CliRunner().invoke(command, [str(tmp_path)], env={"GANFORGE_PLUGINS": ""})
    assert "is not the folder of a run" in str(result.exception)


@pytest.mark.parametrize(
    ("values", "width", "expected"),
    [
        ([0, 1, 2, 3, 4, 5, 6, 7], 8, LEVELS),
        ([0, 7], 4, "▁▁██"),
        ([0, 0, 7, 7], 2, "▁█"),
        ([3.0], 5, "▁"),
        ([2, 2, 2], 3, "▁▁▁"),
        ([0, float("nan"), 7], 3, "▁ █"),
        ([1, 10, 100], 3, "▁▅█"),
        ([], 5, ""),
        ([float("nan")] * 2, 2, "  "),
    ],
)
def test_curves(values, width, expected):
    assert sparkline(values, width) == expected


def test_places_of_values_in_curves():
    assert resample([1, 3, 5, 7], 2) == [2, 6]
    assert [column_of(index, 4, 2) for index in range(4)] == [0, 0, 1, 1]
    assert [column_of(index, 2, 4) for index in range(2)] == [0, 2]
    assert column_of(0, 1, 30) == 0
