"""`ganforge run RECIPE --seeds N`: folders, resuming, failures, signals, and what is told at the end."""

from __future__ import annotations

import json
import os
import re
import signal
import statistics
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from support.installed import catalogue
from support.ring import ring_recipe

from ganforge.cli import main
from ganforge.cli.run import seeds
from ganforge.cli.run import train as training
from ganforge.cli.run.options import RunOptions
from ganforge.errors import DivergedError, GanforgeError
from ganforge.plugins import loading as plugins
from ganforge.recipes.parsing import read_text
from ganforge.runs.seeds import plan_seeds
from ganforge.storage.checkpoint import load_newest
from ganforge.tracking.mlflow_mirror import run_tags
from ganforge.training import run as played

RECIPE = ring_recipe(
    seed=4,
    images=128,
    batch=16,
    log_every=64,
    checkpoint_every=64,
    width=16,
    lr=2e-3,
    ema=100,
    more="""
[[metrics]]
kind = "mode-coverage"
samples = 64
""",
)


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GANFORGE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "80")
    for module in (plugins, training, seeds):
        monkeypatch.setattr(module, "load_catalogue", lambda *_: catalogue())
    Path("ring.toml").write_text(RECIPE)


def ganforge(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["run", "ring.toml", "--device", "cpu", *arguments])
    return int(ended.value.code or 0)


def last(folder: str) -> float:
    lines = [json.loads(line) for line in Path(folder, "metrics.jsonl").read_text().splitlines()]
    return float([line["values"]["reverse-kl"] for line in lines if "reverse-kl" in line["values"]][-1])


def record(folder: str) -> dict:
    return json.loads(Path(folder, "run.json").read_text())


def weights(folder: str) -> dict[str, torch.Tensor]:
    return dict(load_newest(Path(folder, "checkpoints"))[0].tensors)


def test_each_seed_is_played_and_their_mean_is_told(capsys):
    assert ganforge("--seeds", "3") == 0
    out, err = capsys.readouterr()
    assert out.split() == ["runs/ring-seed4", "runs/ring-seed5", "runs/ring-seed6"], "data on stdout: the folders"
    values = [last(folder) for folder in out.split()]
    assert len(set(values)) > 1
    assert [f"seed = {seed}" in read_text(Path(f"runs/ring-seed{seed}/recipe.toml")) for seed in (4, 5, 6)] == [
        True
    ] * 3
    told = re.search(r"reverse-kl ↓ .*  ([\d.]+) ± ([\d.]+)\n", err)
    assert told is not None
    assert float(told[1]) == pytest.approx(statistics.fmean(values), abs=0.01)
    assert float(told[2]) == pytest.approx(statistics.stdev(values), rel=0.05)
    assert "mean ± std of 3" in err
    assert "again: ganforge compare runs/ring-seed4 runs/ring-seed5 runs/ring-seed6" in err
    groups = {record(folder)["seed_group"] for folder in out.split()}
    assert len(groups) == 1
    assert run_tags(record("runs/ring-seed5"))["ganforge.seed_group"] == groups.pop(), "MLflow's tag"


def test_a_seed_of_many_is_the_same_as_alone_and_resumed_ones_go_on(capsys):
    assert ganforge("--seeds", "2", "--quiet", "--set", "run.images=64") == 0
    before = record("runs/ring-seed4")
    assert ganforge("--seeds", "3", "--quiet", "--resume") == 0
    assert ganforge("--quiet", "--out", "alone", "--set", "seed=5") == 0
    one, other = weights("runs/ring-seed5"), weights("alone")
    assert one.keys() == other.keys()
    assert [name for name in one if not torch.equal(one[name], other[name])] == []
    assert record("runs/ring-seed6")["seed_group"] == before["seed_group"], "a seed that is added belongs to the others"
    assert record("runs/ring-seed4")["id"] == before["id"]
    capsys.readouterr()
    times = [Path(f"runs/ring-seed{seed}/run.json").stat().st_mtime_ns for seed in (4, 5, 6)]
    assert ganforge("--seeds", "3", "--resume") == 0
    out, err = capsys.readouterr()
    assert out.split() == ["runs/ring-seed4", "runs/ring-seed5", "runs/ring-seed6"]
    assert err.count("has finished already and is left alone") == 3
    assert [Path(f"runs/ring-seed{seed}/run.json").stat().st_mtime_ns for seed in (4, 5, 6)] == times


def test_a_signal_ends_all_and_says_how_to_go_on(capsys, monkeypatch):
    play_session = played.play_session

    def interrupted(session, callbacks, *stop):
        if session.recipe.seed == 5:
            os.kill(os.getpid(), signal.SIGINT)
        return play_session(session, callbacks, *stop)

    monkeypatch.setattr(played, "play_session", interrupted)
    assert ganforge("--seeds", "3", "--set", "metrics=[]") == 130
    again = "go on: ganforge run ring.toml --device cpu --set 'metrics=[]' --resume --seeds 3\n"
    assert f"stopped at seed 5; {again}" in capsys.readouterr().err
    assert record("runs/ring-seed5")["status"] == "killed"
    assert not Path("runs/ring-seed6").exists()
    monkeypatch.setattr(played, "play_session", play_session)
    assert ganforge("--seeds", "3", "--resume", "--quiet") == 0
    assert [record(f"runs/ring-seed{seed}")["status"] for seed in (4, 5, 6)] == ["finished"] * 3


def playing(answers: dict[int, int | Exception], played: list[RunOptions]) -> Callable[[RunOptions], int]:
    """In the place of `run_training`: answers by seed."""

    def fake(order: RunOptions) -> int:
        played.append(order)
        answer = answers[int(order.overrides[-1].removeprefix("seed="))]
        if isinstance(answer, Exception):
            raise answer
        return answer

    return fake


@pytest.mark.parametrize(
    ("answer", "code", "said"),
    [
        (3, 3, "1 of 3 seeds did not finish: 5; see above"),
        (DivergedError("a gradient is NaN"), 3, "error: seed 5: a gradient is NaN"),
        (GanforgeError("the disk is full"), 1, "error: seed 5: the disk is full"),
        (RuntimeError("a bug"), 1, "RuntimeError: a bug"),
    ],
)
def test_one_seed_that_fails_does_not_stop_the_others(capsys, monkeypatch, answer, code, said):
    played: list[RunOptions] = []
    monkeypatch.setattr(seeds, "run_training", playing({4: 0, 5: answer, 6: 0}, played))
    assert ganforge("--seeds", "3") == code
    assert [str(order.out) for order in played] == [f"runs/ring-seed{seed}" for seed in (4, 5, 6)]
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("code", [130, 143])
def test_a_seed_that_a_signal_ended_is_the_last(monkeypatch, code):
    played: list[RunOptions] = []
    monkeypatch.setattr(seeds, "run_training", playing({4: 0, 5: code}, played))
    assert ganforge("--seeds", "3") == code
    assert len(played) == 2


def test_several_processes_are_started_for_each_seed(monkeypatch):
    started: list[tuple[list[str], int]] = []

    def launch(arguments, processes, environment):
        started.append((list(arguments), processes))
        return 0

    monkeypatch.setattr(seeds, "launch", launch)
    assert ganforge("--seeds", "2", "--processes", "2", "--set", "run.images=64", "--quiet") == 0
    assert [processes for _, processes in started] == [2, 2]
    expected = (
        "run ring.toml --device cpu --processes 2 --set run.images=64 --set seed=5 --out runs/ring-seed5 --seed-group"
    )
    assert " ".join(started[1][0]).startswith(expected)
    assert started[1][0][-1] == "--quiet"


def test_new_seeds_get_folders_of_their_own():
    names = [folder.name for folder in plan_seeds("ring", 0, 2).folders.values()]
    assert names == ["ring-seed0", "ring-seed1"]
    for name in ("ring-seed0", "ring-2-seed0", "ring-2", "rings-seed0"):
        Path("runs", name).mkdir(parents=True)
    assert [folder.name for folder in plan_seeds("ring", 0, 1).folders.values()] == ["ring-3-seed0"]
    assert [folder.name for folder in plan_seeds("ring", 0, 1, resume=True).folders.values()] == ["ring-2-seed0"]
    assert list(plan_seeds("ring", 7, 1, out=Path("mine")).folders.values()) == [Path("mine-seed7")]
    Path("mine-seed7").mkdir()
    Path("mine-seed7/run.json").write_text('{"status": "finished"}')
    with pytest.raises(GanforgeError, match="mine-seed7 already hold runs; go on with them by `resume`, or"):
        plan_seeds("ring", 7, 1, out=Path("mine"))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--seeds", "2", "--resume"), "there are no seeds of ring in runs/ to resume; start them without --resume"),
        (("--seeds", "2", "--set", "run.image=3"), "unknown field; did you mean 'images'?"),
        (("--seeds", "2", "--set", "game.discriminator.network.kind=dcgan"), "this component works on square images"),
        (("--seeds", "0"), "0 is not in the range x>=1"),
    ],
)
def test_what_would_fail_for_every_seed_is_said_once(capsys, arguments, said):
    assert ganforge(*arguments) in (1, 2)
    err = capsys.readouterr().err
    assert err.count(said) == 1
    assert "seed 5" not in err


def test_a_launcher_and_seeds_do_not_go_together(capsys, monkeypatch):
    monkeypatch.setenv("RANK", "0")
    assert ganforge("--seeds", "2") == 2
    assert "--seeds starts its own processes: leave the launcher out and use --processes" in capsys.readouterr().err
