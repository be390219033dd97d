"""The commands of this folder at a small size, and that they would find what they look for."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
from accelerate import Accelerator
from reliability.ageing import Pace, Player, pace, pairs
from reliability.soak import RECIPE, Sample, judge
from reliability.starts import starts
from reliability.trend import trend
from support.installed import catalogue

from ganforge.cli.terminal.view import SilentView
from ganforge.recipes.recipe import monitors_of, read_recipe, recipe_digest
from ganforge.recipes.toml_writer import recipe_to_toml
from ganforge.tracking import RunFolder, run_record
from ganforge.training.assemble import assemble
from ganforge.training.loop import play_session

NOISE = np.random.Generator(np.random.PCG64(7)).standard_normal(60)
HOURS = np.arange(60) / 60
COUNTER = """
import json, sys
with open(sys.argv[1], "w") as log:
    for images in range(0, 10**9, 10):
        for _ in range(int(sys.argv[2])):
            sum(range(600_000))  # some clock ticks for a turn
        log.write(json.dumps({"images": images}) + "\\n")
        log.flush()
"""


def test_a_line_is_found_with_its_error():
    line = trend(HOURS, 100 + 5 * HOURS + 0.1 * NOISE)
    assert abs(line.slope - 5) < 4 * line.error < 0.5
    assert line.grows(0.01)
    assert not line.grows(0.10)


def test_noise_is_no_trend_even_where_neighbours_are_alike():
    waves = np.cumsum(NOISE) - np.linspace(0, np.cumsum(NOISE)[-1], 60)
    lines = [trend(HOURS, 100 + waves), *(trend(HOURS, 100 + np.roll(NOISE, shift)) for shift in range(0, 60, 10))]
    assert not any(line.grows(0.0) for line in lines)


def soaked(**changes: np.ndarray) -> list[Sample]:
    """Sixty samples of a run in which nothing happens, but for the changes."""
    steady: dict[str, np.ndarray] = {"time": HOURS * 3600, "images": HOURS * 3600 * 500, "files": np.full(60, 13.0)}
    for who in ("trainer", "sidecar"):
        steady |= {f"{who}/rss": 800 + 0.1 * NOISE, f"{who}/uss": 400 + 0.1 * NOISE, f"{who}/cpu": HOURS * 3600 * 0.5}
        steady |= {f"{who}/descriptors": np.full(60, 7.0), f"{who}/threads": np.full(60, 2.0)}
    return [{name: float(values[i]) for name, values in (steady | changes).items()} for i in range(60)]


@pytest.mark.parametrize(
    ("name", "values", "what"),
    [
        ("trainer/uss", 400 + 10 * HOURS + 0.1 * NOISE, "trainer: memory of its own"),
        ("sidecar/rss", 800 + 20 * HOURS, "sidecar: resident memory"),
        ("trainer/descriptors", 7 + np.floor(HOURS * 4), "trainer: descriptors"),
        ("sidecar/threads", 2 + np.floor(HOURS * 3), "sidecar: threads"),
        ("files", 13 + np.floor(HOURS * 10), "files in the run's folder"),
    ],
)
def test_what_grows_or_slows_down_is_found(name: str, values: np.ndarray, what: str):
    rows, wrong = judge(soaked(**{name: values}))
    assert len(wrong) == 1
    assert wrong[0].startswith(what)
    assert sum("**not steady**" in row for row in rows) == 1


def test_a_steady_run_passes():
    blinks = np.where(np.arange(60) % 7 == 0, 8.0, 7.0)  # a file that is open just then
    assert judge(soaked(**{"trainer/descriptors": blinks}))[1] == []
    checkpoints = np.where(np.isin(np.arange(60), (30, 32)), 13.0, 16.0)  # one is being exchanged just then
    assert judge(soaked(files=checkpoints))[1] == []


def machine(slowness: float, noise: float, drift: float) -> Pace:
    """Thirty pairs on a machine whose speed drifts, with a run that is slower by so much."""
    turns = iter(range(1_000))

    def speed(slow: float) -> float:
        turn = next(turns)
        return 1_000 * (1 + drift * turn / 60) * (1 - slow) * (1 + noise * NOISE[turn])

    return Pace(tuple(pairs(lambda: speed(slowness), lambda: speed(0.0), 30)))


@pytest.mark.parametrize("drift", [-0.3, 0.0, 0.3])
def test_a_run_that_became_slow_is_found_on_a_machine_whose_speed_drifts(drift: float):
    assert not machine(0.0, 0.02, drift).slower(0.03)
    slow = machine(0.06, 0.02, drift)
    assert slow.slower(0.03)
    assert abs(slow.median - 0.94) < 4 * slow.error


def test_noise_alone_is_no_slowness():
    assert not machine(0.0, 0.15, 0.0).slower(0.0)
    assert machine(0.0, 0.15, 0.0).error > 0.02


def test_two_runs_take_turns(tmp_path: Path):
    """One that does twice the work for an image is half as fast; between turns both stand still."""
    players = []
    for work in (2, 1):
        log = tmp_path / f"{work}.jsonl"
        process = subprocess.Popen([sys.executable, "-c", COUNTER, str(log), str(work)])
        players.append(Player(psutil.Process(process.pid), log))
    try:
        for player in players:
            while not player.log.exists() or not player.log.stat().st_size:
                time.sleep(0.01)
            player.process.suspend()
        found = pace(players[0], players[1], 200, 5)
        assert 0.35 < found.median < 0.7
        assert found.slower(0.03)
        sizes = [player.log.stat().st_size for player in players]
        time.sleep(0.2)
        assert [player.log.stat().st_size for player in players] == sizes
    finally:
        for player in players:
            player.process.kill()
            player.process.wait()


def test_nothing_grows_in_forty_rounds(tmp_path: Path):
    """All tasks of the soak, in this process: tensors, descriptors, threads and files are counted twice."""
    often = [f"{key}.every_images=320" for key in ("grid", "checkpoints", "metrics.0", "metrics.1", "metrics.2")]
    sizes = ["metrics.0.samples=64", "metrics.0.real=64", "metrics.1.samples=64", "metrics.1.real=64", "grid.samples=9"]
    overrides = [*often, *sizes, "run.images=6400", "run.log_every_images=160", "diagnosis.samples=16"]
    recipe = read_recipe(RECIPE, catalogue(), overrides)
    folder = RunFolder(tmp_path / "run")
    session, callbacks = assemble(
        recipe,
        Accelerator(cpu=True),
        recipe.data.open(tmp_path),
        folder=folder.path,
        cache=tmp_path,
        tracker=folder,
        reporter=SilentView(),
        monitors=monitors_of(recipe, catalogue()),
    )
    folder.begin(run_record("cpu", recipe_digest(recipe)), recipe_to_toml(recipe), None)
    seen: dict[int, tuple[int, ...]] = {}

    def stop() -> bool:
        if session.images in (1_120, 2_400):  # rounds of 32 each; just after a line, and half-way between evaluations
            gc.collect()
            objects = gc.get_objects()
            tensors = sum(issubclass(type(entry), torch.Tensor) for entry in objects)
            files = sum(path.is_file() and path.parent.name != "grids" for path in folder.path.rglob("*"))
            descriptors = len(os.listdir("/proc/self/fd"))
            seen[session.images] = (tensors, descriptors, threading.active_count(), files, len(objects))
        return session.images >= 2_400

    play_session(session, callbacks, stop)
    folder.finish("finished")
    before, after = seen[1_120], seen[2_400]
    assert after[:4] == before[:4]
    assert after[4] - before[4] < 200, "objects that the collector knows: 40 rounds make many thousand"


def test_starts_leave_nothing(tmp_path: Path):
    tally = starts(4, 0, tmp_path)
    assert tally.wrong == []
    assert tally.codes == {0: 2, 143: 1, 130: 1}
