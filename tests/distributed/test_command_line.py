"""Runs of several processes as a person starts them and as they see them end.

One is started in earnest by `ganforge run --processes 2`, and one by each foreign launcher. The others are forked with
what a launcher tells each process, which is all that they know of it.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import psutil
import pytest
import torch
from support.faults import metric_breaks, round_breaks, weight_strays
from support.forks import Forked, forked_together
from support.paths import RECIPES
from support.ring import ring_recipe

from ganforge.distributed.launch import free_port, process_environment
from ganforge.errors import LostError
from ganforge.storage.checkpoint import list_checkpoints, load_checkpoint

RECIPE = ring_recipe(seed=1, images=160, batch=16, log_every=32, watched=0, latent=8, lr=2e-3)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a recipe in it."""
    monkeypatch.setenv("GANFORGE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("GANFORGE_PLUGINS", "")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    (tmp_path / "small.toml").write_text(RECIPE)
    return tmp_path


def run(here: Path, processes: int, *arguments: str, prepare=None, recipe: str = "small.toml") -> list[Forked]:
    """Start so many processes of a run."""
    line = ["run", recipe, "--device", "cpu", *arguments]
    more = {} if prepare is None else {"prepare": prepare}
    return forked_together(line, here, processes, **more) if processes > 1 else [Forked(line, here, **more)]


def done(members: list[Forked], seconds: float = 120) -> list[int]:
    """The exit codes."""
    return [member.wait(seconds) for member in members]


def newest(folder: Path) -> dict[str, torch.Tensor]:
    return dict(load_checkpoint(list_checkpoints(folder / "checkpoints")[-1]).tensors)


def test_the_main_job_does_not_depend_on_the_number_of_processes(here: Path):
    """Ten rounds of the recipe that the README runs, its networks narrower; then once more with a stop in the middle.

    In batches of 32, since at its own 4 a process would see half a group of the minibatch deviation (which ganforge
    says); and at a lower learning rate, since at its own, 4e-3, Adam without momentum multiplies rounding by thousands
    in ten rounds. What is not rounding would move weights by a thousandth.
    """
    shutil.copy(RECIPES / "stylegan2_faces.toml", here)
    changes = (
        "run.batch=32",
        "run.images=320",
        "run.check_ranks_every=2",
        "tracking.kind=none",
        "metrics=[]",
        "diagnosis.samples=0",
        *(f"game.{player}.optimizer.lr=2e-4" for player in ("generator", "discriminator")),
        *(f"game.{player}.network.channel_max=8" for player in ("generator", "discriminator")),
    )
    short = ["--quiet", *(word for change in changes for word in ("--set", change))]
    for name, processes, more in (
        ("one", 1, ()),
        ("two", 2, ()),
        ("cut", 2, ("--set", "run.images=160")),
        ("cut", 2, ("--resume",)),
    ):
        members = run(here, processes, "--out", name, *short, *more, recipe="stylegan2_faces.toml")
        assert done(members) == [0] * processes, members[0].said
        said = [member.said.strip().splitlines() for member in members]
        assert [lines[-1:] for lines in said] == [[name], []][:processes], "the folder, once"
        assert len(said[0]) == 1 or "resumed at 160 images" in said[0][0]
    one, two, cut = (newest(here / name) for name in ("one", "two", "cut"))
    assert [path for path in two if not torch.equal(two[path], cut[path])] == []
    weights = [path for path in one if "ema/" in path or path.startswith(("game/generator", "game/discriminator"))]
    first, second = (torch.cat([tensors[path].double().flatten() for path in weights]) for tensors in (one, two))
    assert float((first - second).norm() / first.norm()) <= 1e-6


def test_evaluated_by_two_processes_are_the_values_of_one(here: Path):
    assert done(run(here, 1, "--out", "run", "--quiet")) == [0]
    line = ["evaluate", "run", "--device", "cpu", "--json", "--samples", "150", "--repeat", "2"]
    line += ["--metric", "mode-coverage", "--metric", "pixel-variance"]
    one, two = Forked(line, here), forked_together(line, here, 2)
    assert done([one, *two]) == [0, 0, 0], one.said + two[0].said
    assert two[1].said == "", "only the main process talks"
    found = json.loads(two[0].said)
    assert found == json.loads(one.said)
    assert len(found["results"]) >= 3


def test_what_cannot_be_evaluated_is_said_once(here: Path):
    assert done(run(here, 1, "--out", "run", "--quiet")) == [0]
    members = forked_together(["evaluate", "run", "--device", "cpu", "--metric", "fid"], here, 2)
    assert done(members) == [1, 1], members[0].said
    assert "".join(member.said for member in members).count("error:") == 1


def test_when_one_process_dies_the_others_end_soon_and_the_launcher_says_so(here: Path):
    line = [
        sys.executable,
        "-m",
        "ganforge",
        "run",
        "small.toml",
        "--device",
        "cpu",
        "--processes",
        "2",
        "--out",
        "run",
    ]
    launcher = subprocess.Popen(
        [*line, "--quiet", "--set", "run.images=10_000_000"], cwd=here, stderr=subprocess.PIPE, text=True
    )
    try:
        wait_for_a_line(here / "run", launcher)
        workers = psutil.Process(launcher.pid).children()
        assert len(workers) == 2
        workers[1].send_signal(signal.SIGKILL)
        began = time.monotonic()
        _, said = launcher.communicate(timeout=60)
        assert launcher.returncode == 128 + signal.SIGKILL
        assert time.monotonic() - began < 40
        assert said.strip().splitlines() == [
            "error: process 1 of 2 was ended by SIGKILL (by somebody, or by the system for want of memory); the others "
            "were ended with it"
        ]
        assert psutil.wait_procs(workers, timeout=10)[1] == []
        record = json.loads((here / "run" / "run.json").read_text())
        assert (record["status"], record["reason"]) == ("failed", "another process of the run ended")
    finally:
        for process in psutil.Process().children(recursive=True):
            if "small.toml" in process.cmdline():
                process.kill()
        launcher.wait()


def wait_for_a_line(folder: Path, launcher: subprocess.Popen[str]) -> None:
    log, deadline = folder / "metrics.jsonl", time.monotonic() + 120
    while not (log.exists() and log.stat().st_size):
        assert launcher.poll() is None, "it ended before it began"
        assert time.monotonic() < deadline, "it never began"
        time.sleep(0.05)


PORT = free_port()
TWO_NODES = ["--nnodes", "2", "--nproc-per-node", "1", "--rdzv-backend", "c10d", "--rdzv-id", "7"]
LAUNCHERS = {
    "torchrun on two nodes": [["torch.distributed.run", *TWO_NODES, "--rdzv-endpoint", f"127.0.0.1:{PORT}"]] * 2,
    "accelerate": [["accelerate.commands.launch", "--multi_gpu", "--num_processes", "2", "--main_process_port", "0"]],
}


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_foreign_launchers(here: Path, launcher: str):
    """Both nodes are this machine, at a rendezvous on a port of the loopback device.

    With `--resume` in an empty folder, as the scripts of docs/scaling.md do: it begins at the beginning.
    """
    (here / "run").mkdir()
    line = ["-m", "ganforge", "run", "small.toml", "--device", "cpu", "--out", "run", "--quiet", "--resume"]
    nodes = [
        subprocess.Popen(
            [sys.executable, "-m", *words, *line], cwd=here, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for words in LAUNCHERS[launcher]
    ]
    said = [node.communicate(timeout=180) for node in nodes]
    assert [node.returncode for node in nodes] == [0] * len(nodes), said
    assert "".join(out for out, _ in said).split() == ["run"], "one of them is the main process"
    assert load_checkpoint(list_checkpoints(here / "run" / "checkpoints")[-1]).facts["images"] == 160
    assert "Traceback" not in "".join(err for _, err in said)


def test_one_process_of_accelerate_in_place_of_two_is_an_error(here: Path):
    """`accelerate launch --cpu --num_processes 2` starts one and says nothing; these are the variables that it sets."""
    variables = {"ACCELERATE_MIXED_PRECISION": "no", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500"}
    alone = Forked(["run", "small.toml", "--dry-run"], here, variables)
    assert alone.wait() == 1
    assert alone.said.count("accelerate launch was asked for several processes and started one") == 1
    assert "accelerate launch --multi_gpu --num_processes N -m ganforge run RECIPE" in alone.said
    assert "Traceback" not in alone.said


def test_mistakes_are_said_once(here: Path):
    members = run(here, 2, "--set", "run.batch=15", "--dry-run")
    assert done(members) == [2, 2]
    said = "".join(member.said for member in members)
    assert said.count("run.batch = 15 cannot be shared out evenly over 2 processes") == 1
    assert "use a multiple of 2" in said
    members = run(here, 2, "--set", "run.btach=15", "--dry-run")
    assert done(members) == [2, 2]
    assert ["run.btach" in member.said for member in members] == [True, False]
    assert "Traceback" not in said + members[0].said


def test_processes_are_rolled_back_together(here: Path):
    monitors = 'monitors=[{kind="discriminator-too-strong", loss=100.0, within_rounds=2, action="roll-back"}]'
    members = run(here, 2, "--out", "two", "--set", monitors, "--set", "diagnosis.standard=false")
    assert done(members) == [4, 4], members[0].said
    assert "ended because of discriminator-too-strong, after 3 roll-backs" in members[0].said
    assert members[1].said == "", "only the main process talks"
    events = [json.loads(line) for line in (here / "two" / "events.jsonl").read_text().splitlines()]
    assert [event["kind"] for event in events].count("rolled-back") == 3
    facts = load_checkpoint(list_checkpoints(here / "two" / "checkpoints")[-1]).facts
    assert (facts["images"], facts["rollbacks"]) == (0, 3)


def test_a_mistake_of_the_main_process_while_others_wait(here: Path):
    metric = "metrics=[{kind='pixel-variance', samples=4, every_images=32}]"
    began = time.monotonic()
    members = run(here, 2, "--out", "run", "--set", metric, prepare=metric_breaks)
    assert done(members) == [1, LostError.exit_code]
    assert time.monotonic() - began < 200
    main, other = (member.said for member in members)
    assert main.count("there is nothing to be measured") == 1
    assert other == "", "whoever waited in vain leaves the word to the one that knows why"
    assert "Traceback" not in main
    assert json.loads((here / "run" / "run.json").read_text())["status"] == "failed"


def test_a_mistake_of_another_process_while_the_main_one_waits(here: Path):
    members = run(here, 2, "--out", "run", "--quiet", prepare=partial(round_breaks, 1))
    assert done(members) == [LostError.exit_code, 1]
    main, other = (member.said for member in members)
    assert other.count("ZeroDivisionError: one is not none") == 1
    assert main == ""
    record = json.loads((here / "run" / "run.json").read_text())
    assert (record["status"], record["reason"]) == ("failed", "another process of the run ended")


def test_a_killed_process_has_no_words_so_another_speaks(here: Path):
    members = run(here, 2, "--out", "run", "--quiet", "--set", "run.images=10_000_000")
    members[0].wait_for(lambda: (here / "run" / "metrics.jsonl").exists())
    members[1].send(signal.SIGKILL)
    assert done(members, 20) == [LostError.exit_code, -signal.SIGKILL]
    assert members[0].said.count("another process of this run ended without a word") == 1
    assert "Traceback" not in members[0].said


def test_a_stray_bit_is_found(here: Path):
    members = run(
        here, 2, "--out", "run", "--quiet", "--set", "run.check_ranks_every=1", prepare=partial(weight_strays, 1)
    )
    assert done(members) == [1, 1]
    said = "".join(member.said for member in members)
    assert said.count("are not the same any more") == 1
    assert "after 48 images shown" in said
    assert "game/generator.layers.0.weight differs, that of process 1 from that of process 0" in said


def test_processes_with_different_recipes_do_not_begin(here: Path):
    port = free_port()
    line = ["run", "small.toml", "--device", "cpu", "--out", "run", "--quiet"]
    members = [
        Forked([*line, "--set", f"run.images={images}"], here, process_environment(rank, 2, port))
        for rank, images in enumerate((160, 320))
    ]
    assert done(members) == [1, 1]
    said = "".join(member.said for member in members)
    assert "the processes do not begin with the same recipe" in said
    assert not list_checkpoints(here / "run" / "checkpoints")
    assert os.environ.get("WORLD_SIZE") is None
