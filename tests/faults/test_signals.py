"""Ctrl-C and SIGTERM wherever they arrive: a checkpoint, an exit code, not long to wait; once more ends at once."""

from __future__ import annotations

import json
import signal
import time
from functools import partial
from pathlib import Path

import pytest
from support.faults import AT, slow_data, slow_evaluation, slow_metric, slow_round
from support.forks import Forked, forked_together
from support.ring import ring_recipe

from ganforge.storage.checkpoint import load_newest

RECIPE = ring_recipe(
    seed=1,
    images=256,
    batch=32,
    log_every=64,
    grid=8,
    checkpoint_every=64,
    watched=0,
    width=16,
    lr=2e-3,
    ema=100,
    more="""
[[metrics]]
kind = "mode-coverage"
samples = 1000
every_images = 128
""",
)
SOON = 20.0  # seconds; what is waited for in vain here takes 60
PLACES = {"round": slow_round, "evaluation": slow_evaluation, "metric": slow_metric}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a recipe in it."""
    monkeypatch.setenv("GANFORGE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("GANFORGE_PLUGINS", "")
    (tmp_path / "ring.toml").write_text(RECIPE)
    return tmp_path


def run(here: Path, out: str, processes: int = 1, *, prepare=None, resume: bool = False) -> list[Forked]:
    arguments = ["run", "ring.toml", "--device", "cpu", "--out", out, *(["--resume"] if resume else [])]
    more = {} if prepare is None else {"prepare": prepare}
    return forked_together(arguments, here, processes, **more) if processes > 1 else [Forked(arguments, here, **more)]


def values_of(folder: Path) -> list[tuple[int, dict[str, float]]]:
    """All lines of the log, but for the speed."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [
        (line["images"], {name: value for name, value in line["values"].items() if not name.startswith("speed/")})
        for line in lines
    ]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory):
    """The folder of a run that nobody disturbed, by the number of processes."""
    found: dict[int, Path] = {}

    def play(processes: int) -> Path:
        if processes not in found:
            here = tmp_path_factory.mktemp("whole")
            (here / "ring.toml").write_text(RECIPE)
            assert [forked.wait() for forked in run(here, "whole", processes)] == [0] * processes
            found[processes] = here / "whole"
        return found[processes]

    return play


@pytest.mark.parametrize(
    ("place", "number", "processes"),
    [
        ("round", signal.SIGTERM, 1),
        ("evaluation", signal.SIGINT, 1),
        ("round", signal.SIGINT, 2),
        ("evaluation", signal.SIGTERM, 2),
        ("metric", signal.SIGTERM, 1),
        ("metric", signal.SIGINT, 2),
    ],
)
def test_a_signal_leaves_a_checkpoint_and_what_was_cut_is_done_on_resuming(
    here: Path, whole, place: str, number: signal.Signals, processes: int
):
    # A round is played to its end, and a batch of an evaluation; a metric's own computation is dropped where it stands.
    playing = run(here, "cut", processes, prepare=partial(PLACES[place], here, 60.0 if place == "metric" else 0.3))
    playing[0].wait_for(lambda: list(here.glob("there-*")))
    began = time.monotonic()
    for forked in playing:
        forked.send(number)
    assert [forked.wait(SOON) for forked in playing] == [128 + number] * processes, playing[0].said
    assert time.monotonic() - began < SOON
    assert "stopping" in playing[0].said
    assert "Traceback" not in "".join(forked.said for forked in playing)
    content, newest, passed_over = load_newest(here / "cut" / "checkpoints")
    assert (newest.name, passed_over) == (f"images-{AT:012d}", [])
    assert content.facts["interrupted_at"] == AT - 32, (
        "what is to be done is written down: the values are asked for here"
    )
    assert not any("modes-covered" in values for _, values in values_of(here / "cut"))
    record = json.loads((here / "cut" / "run.json").read_text())
    assert (record["status"], record["reason"]) == ("killed", f"stopped by {number.name}")

    assert [forked.wait() for forked in run(here, "cut", processes, resume=True)] == [0] * processes
    assert values_of(here / "cut") == values_of(whole(processes))
    one, two = (load_newest(folder / "checkpoints")[1] for folder in (here / "cut", whole(processes)))
    assert (one / "manifest.json").read_bytes() == (two / "manifest.json").read_bytes(), "the same files to the bit"


def test_one_process_that_is_asked_stops_all(here: Path):
    playing = run(here, "cut", 2, prepare=partial(slow_round, here, 0.3))
    playing[0].wait_for(lambda: len(list(here.glob("there-*"))) == 2)
    playing[1].send(signal.SIGTERM)
    codes = [forked.wait(SOON) for forked in playing]
    assert codes[1] == 143
    assert codes[0] in (130, 143), "it heard of it from the other"
    assert load_newest(here / "cut" / "checkpoints")[1].name == f"images-{AT:012d}"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_before_the_first_round_one_is_enough(here: Path, number: signal.Signals):
    playing = Forked(["run", "ring.toml", "--device", "cpu"], here, prepare=partial(slow_data, here, 60.0))
    playing.wait_for(lambda: list(here.glob("there-*")))
    began = time.monotonic()
    playing.send(number)
    assert playing.wait(SOON) == 128 + number
    assert time.monotonic() - began < SOON
    assert f"stopped by {number.name} before the first round" in playing.said
    assert "Traceback" not in playing.said
    assert not (here / "runs" / "ring").exists(), "a folder with nothing in it is not left behind"


@pytest.mark.parametrize("place", ["round", "evaluation"])  # a metric's computation ends at the first one
def test_a_second_signal_ends_it_at_once(here: Path, place: str):
    (playing,) = run(here, "cut", prepare=partial(PLACES[place], here, 60.0))
    playing.wait_for(lambda: list(here.glob("there-*")))
    playing.send(signal.SIGINT)
    playing.wait_for(lambda: "once more to stop at once" in playing.said)
    began = time.monotonic()
    playing.send(signal.SIGINT)
    assert playing.wait(SOON) == 130
    assert time.monotonic() - began < SOON
    assert "Traceback" not in playing.said
    record = json.loads((here / "cut" / "run.json").read_text())
    assert (record["status"], record["reason"]) == ("killed", "stopped at once by a second signal")
    assert load_newest(here / "cut" / "checkpoints")[1].name == "images-000000000064", "nothing is saved in a hurry"


def test_a_second_signal_while_it_waits_for_a_dead_server_ends_it(here: Path):
    """The record was written before the wait; what is missing in MLflow can be brought there later."""
    dead = [
        "--set",
        "tracking.kind=mlflow",
        "--set",
        "tracking.uri=http://127.0.0.1:9",
        "--set",
        "run.images=9_999_999",
    ]
    playing = Forked(["run", "ring.toml", "--device", "cpu", "--out", "cut", *dead], here)
    playing.wait_for(lambda: list((here / "cut" / "checkpoints").glob("images-*")))
    playing.send(signal.SIGINT)
    playing.wait_for(lambda: json.loads((here / "cut" / "run.json").read_text())["status"] == "killed")
    playing.send(signal.SIGINT)
    assert playing.wait(SOON) == 130
    assert "stopped by SIGINT at once, while it was being ended" in playing.said
    assert "before the first round" not in playing.said
