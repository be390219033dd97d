"""`ganforge run RECIPE --processes 2`, as a person types it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import torch

from ganforge.checkpoint import load, saved

RECIPE = """
seed = 1
[data]
kind = "digits"
labels = true
[run]
images = 160
batch = 16
log_every_images = 32
[grid]
samples = 4
[game]
kind = "gan"
loss = "non-saturating"
[game.generator]
network = { kind = "stylegan2", latent = 8, mapping_layers = 2, channel_base = 64, channel_max = 8 }
optimizer = { lr = 2e-3 }
ema = { half_life_images = 100 }
regularizers = [{ kind = "path-length", every = 3 }]
[game.discriminator]
network = { kind = "stylegan2", mapping_layers = 2, channel_base = 64, channel_max = 8 }
optimizer = { lr = 2e-3 }
regularizers = [{ kind = "r1", every = 4 }]
[tracking]
kind = "none"
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "small.toml"
    path.write_text(RECIPE)
    return path


def command(recipe: Path, *arguments: str) -> list[str]:
    device = ["--device", "cpu"] if torch.cuda.is_available() else []  # without CUDA the default has to do
    return [sys.executable, "-m", "ganforge", "run", str(recipe), *device, *arguments]


def environment(folder: Path) -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "GANFORGE_CACHE": str(folder / "cache"), "GANFORGE_PLUGINS": ""}


def run(recipe: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(recipe, *arguments),
        cwd=recipe.parent,
        env=environment(recipe.parent),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def newest(folder: Path) -> dict[str, torch.Tensor]:
    return dict(load(saved(folder / "checkpoints")[-1]).tensors)


def test_two_processes_equal_one_and_resume_to_the_bit(recipe: Path):
    folders = {name: recipe.parent / name for name in ("one", "two", "cut")}
    for name, arguments in {
        "one": [],
        "two": ["--processes", "2"],
        "cut": ["--processes", "2", "--set", "run.images=80"],
    }.items():
        done = run(recipe, "--out", str(folders[name]), "--quiet", *arguments)
        assert done.returncode == 0, done.stderr
        assert done.stdout.strip() == str(folders[name]), "stdout has the folder, once, and nothing else"
    done = run(recipe, "--out", str(folders["cut"]), "--processes", "2", "--resume")
    assert done.returncode == 0, done.stderr
    assert "resumed at 80 images" in done.stderr
    one, two, cut = (newest(folder) for folder in folders.values())
    assert [path for path in two if not torch.equal(two[path], cut[path])] == []
    assert_same_weights(one, two)


def test_the_main_job_does_not_depend_on_the_number_of_processes(tmp_path: Path):
    """Ten rounds of the recipe that the README runs, by the command that it gives.

    In batches of 32, since at its own 4 a process would see half a group of the minibatch deviation (which ganforge
    says); and at a lower learning rate, since at its own, 4e-3, Adam without momentum multiplies rounding by thousands
    in ten rounds. What is not rounding would move weights by a thousandth.
    """
    shutil.copy(Path(__file__).parents[2] / "recipes" / "stylegan2_faces.toml", tmp_path)
    recipe = tmp_path / "stylegan2_faces.toml"
    short = ["--quiet"]
    for change in (
        "run.batch=32",
        "run.images=320",
        "tracking.kind=none",
        "metrics=[]",
        "game.generator.optimizer.lr=2e-4",
        "game.discriminator.optimizer.lr=2e-4",
    ):
        short += ["--set", change]
    for name, arguments in {"one": [], "two": ["--processes", "2"]}.items():
        done = run(recipe, "--out", str(tmp_path / name), *short, *arguments)
        assert done.returncode == 0, done.stderr
    assert_same_weights(newest(tmp_path / "one"), newest(tmp_path / "two"))


def assert_same_weights(one: dict[str, torch.Tensor], two: dict[str, torch.Tensor]) -> None:
    """To 1e-6 of the norm of all weights and averages together."""
    weights = [path for path in one if "ema/" in path or path.startswith(("game/generator", "game/discriminator"))]
    first, second = (torch.cat([tensors[path].double().flatten() for path in weights]) for tensors in (one, two))
    assert float((first - second).norm() / first.norm()) <= 1e-6


def test_when_one_process_dies_the_others_end_soon(recipe: Path):
    arguments = ["--processes", "2", "--out", str(recipe.parent / "run"), "--set", "run.images=10_000_000"]
    launcher = subprocess.Popen(
        command(recipe, *arguments), cwd=recipe.parent, env=environment(recipe.parent), stderr=subprocess.DEVNULL
    )
    try:
        metrics = recipe.parent / "run" / "metrics.jsonl"
        deadline = time.monotonic() + 120
        while not (metrics.exists() and metrics.stat().st_size):
            assert launcher.poll() is None, "it ended before it began"
            assert time.monotonic() < deadline, "it never began"
            time.sleep(0.1)
        workers = psutil.Process(launcher.pid).children()
        assert len(workers) == 2
        workers[1].send_signal(signal.SIGKILL)
        began = time.monotonic()
        code = launcher.wait(timeout=30)
        assert code == 128 + signal.SIGKILL
        assert time.monotonic() - began < 15
        _, alive = psutil.wait_procs(workers, timeout=1)
        assert alive == []
    finally:
        for process in psutil.Process().children(recursive=True):
            process.kill()
        launcher.wait()


@pytest.mark.parametrize(
    ("variables", "arguments", "sentence"),
    [
        ({"WORLD_SIZE": "2"}, [], "2 processes were asked for, and RANK, LOCAL_RANK, MASTER_ADDR, MASTER_PORT are not"),
        ({"WORLD_SIZE": "many"}, [], "WORLD_SIZE = 'many'; expected a number of processes"),
        (
            {"WORLD_SIZE": "1", "RANK": "0"},
            ["--processes", "2"],
            "--processes 2, but the environment says WORLD_SIZE = 1",
        ),
    ],
)
def test_as_many_processes_as_were_promised(recipe: Path, variables, arguments, sentence: str):
    done = subprocess.run(
        command(recipe, "--dry-run", *arguments),
        env={**environment(recipe.parent), **variables},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1
    assert sentence in done.stderr
    assert "--processes N" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_batch_that_cannot_be_shared_out(recipe: Path):
    done = run(recipe, "--processes", "2", "--set", "run.batch=15", "--dry-run")
    assert done.returncode == 2
    assert "run.batch = 15 cannot be shared out evenly over 2 processes" in done.stderr
    assert "use a multiple of 2" in done.stderr
    assert "Traceback" not in done.stderr


def test_processes_are_rolled_back_together(recipe: Path):
    monitors = 'monitors=[{kind="discriminator-too-strong", loss=100.0, within_rounds=2, action="roll-back"}]'
    changes = ["--set", monitors, "--set", "diagnosis.standard=false"]
    done = run(recipe, "--out", str(recipe.parent / "two"), "--processes", "2", *changes)
    assert done.returncode == 4, done.stderr
    assert "ended because of discriminator-too-strong, after 3 roll-backs" in done.stderr
    events = [json.loads(line) for line in (recipe.parent / "two" / "events.jsonl").read_text().splitlines()]
    assert [event["kind"] for event in events].count("rolled-back") == 3
    facts = load(saved(recipe.parent / "two" / "checkpoints")[-1]).facts
    assert (facts["images"], facts["life"]) == (0, 3)
