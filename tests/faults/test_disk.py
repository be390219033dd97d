"""Disks that are full or read-only, folders that two runs want, clocks that go back."""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from support.faults import (
    files_no_larger,
    obey_permissions,
    obey_permissions_and_lose_them,
    set_the_clock_back,
    small_disk,
)
from support.forks import Forked, nothing
from support.ring import ring_recipe

from ganforge.errors import CheckpointError
from ganforge.storage import checkpoint
from ganforge.storage.checkpoint import Checkpoint, list_checkpoints, load_newest, save_checkpoint

RECIPE = ring_recipe(
    seed=1,
    images=256,
    batch=32,
    log_every=64,
    grid=8,
    grid_every=128,
    checkpoint_every=64,
    watched=0,
    width=64,
    lr=2e-3,
    ema=100,
)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a recipe in it."""
    monkeypatch.setenv("GANFORGE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("GANFORGE_PLUGINS", "")
    (tmp_path / "ring.toml").write_text(RECIPE)
    return tmp_path


def run(here: Path, out: str, *arguments: str, prepare: Callable[[], None] = nothing) -> Forked:
    return Forked(["run", "ring.toml", "--device", "cpu", "--out", out, *arguments], here, prepare=prepare)


def said_by(forked: Forked) -> str:
    """What it said, as one line; never a traceback."""
    assert "Traceback" not in forked.said
    return " ".join(forked.said.split())


def newest(folder: Path) -> str:
    """The name of the newest checkpoint, where all are whole."""
    _, path, passed_over = load_newest(folder / "checkpoints")
    assert passed_over == []
    return path.name


def assert_same_end(here: Path, one: str, two: str) -> None:
    manifests = [list_checkpoints(here / name / "checkpoints")[-1] / "manifest.json" for name in (one, two)]
    assert manifests[0].read_bytes() == manifests[1].read_bytes()


def test_files_that_may_not_grow(here: Path):
    """RLIMIT_FSIZE: the system refuses to write on in the middle of a checkpoint, as a full disk does."""
    full = run(here, "cut", prepare=partial(files_no_larger, 65_536, after=96))
    assert full.wait() == 1
    text = said_by(full)
    assert "the checkpoint cut/checkpoints/images-000000000128 could not be written" in text
    assert "File too large" in text
    assert re.search(r"it takes [1-9]\d\d KiB\. Older", text)
    assert "Older ones are untouched" in text
    assert newest(here / "cut") == "images-000000000064"
    assert [path.name for path in (here / "cut" / "checkpoints").iterdir()] == ["images-000000000064"]
    assert json.loads((here / "cut" / "run.json").read_text())["status"] == "failed"
    assert run(here, "cut", "--resume").wait() == 0
    assert run(here, "whole").wait() == 0
    assert_same_end(here, "cut", "whole")


def test_a_disk_that_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A disk of one megabyte: room is missed beforehand, and where it goes while a checkpoint is written."""
    answers = multiprocessing.get_context("fork").SimpleQueue()

    def attempt() -> None:
        try:
            small_disk(tmp_path, "4m")
        except OSError as error:
            answers.put(f"no small disk: {error}")
            return
        for images, numbers, look in ((1, 2**17, True), (2, 2**20, True), (3, 2**20, False)):
            if not look:
                monkeypatch.setattr(checkpoint, "check_free_space", lambda folder, wanted: None)
            try:
                save_checkpoint(tmp_path, images, Checkpoint({"game/a": torch.ones(numbers)}, {"images": images}))
                answers.put("saved")
            except CheckpointError as error:
                answers.put(str(error))
        answers.put(str([path.name for path in tmp_path.iterdir()]))
        answers.put(str(load_newest(tmp_path)[1].name))

    child = multiprocessing.get_context("fork").Process(target=attempt)
    child.start()
    first = answers.get()
    if first.startswith("no small disk"):
        pytest.skip(first)
    beforehand, meanwhile, names, left = (answers.get() for _ in range(4))
    child.join()
    assert first == "saved"
    assert re.search(
        r"images-0{11}2 could not be written \(.*4 MiB and a little more are needed, 3\.(49|5) MiB are free\)",
        beforehand,
    )
    assert "No space left on device" in meanwhile
    assert "images-000000000003 could not be written" in meanwhile
    assert (names, left) == ("['images-000000000001']", "images-000000000001")


def test_a_run_folder_that_cannot_be_written(here: Path):
    assert run(here, "mine", "--set", "run.images=64").wait() == 0
    (here / "mine").chmod(0o555)
    (here / "mine" / ".lock").unlink() if os.geteuid() == 0 else None
    refused = run(here, "mine", "--resume", prepare=obey_permissions)
    assert refused.wait() == 1
    (here / "mine").chmod(0o755)
    assert f"the run's folder {here / 'mine'} cannot be written (Permission denied" in said_by(refused)
    assert newest(here / "mine") == "images-000000000064"
    assert run(here, "mine", "--resume").wait() == 0


def test_a_new_run_where_nothing_can_be_written(here: Path):
    (here / "shelf").mkdir(mode=0o555)
    refused = run(here, "shelf/mine", prepare=obey_permissions)
    assert refused.wait() == 1
    assert "shelf/mine cannot be written (Permission denied" in said_by(refused)
    assert "--out" in said_by(refused)


def test_a_checkpoint_folder_that_becomes_read_only(here: Path):
    place = here / "cut" / "checkpoints"
    refused = run(here, "cut", prepare=partial(obey_permissions_and_lose_them, place, 96))
    assert refused.wait() == 1
    place.chmod(0o755)
    text = said_by(refused)
    assert "images-000000000128 could not be written" in text
    assert "Permission denied" in text
    assert newest(here / "cut") == "images-000000000064"
    assert run(here, "cut", "--resume").wait() == 0
    assert run(here, "whole").wait() == 0
    assert_same_end(here, "cut", "whole")


def test_two_runs_at_once_in_one_folder(here: Path):
    first = run(here, "mine", "--set", "run.images=100_000_000")
    first.wait_for(lambda: list_checkpoints(here / "mine" / "checkpoints"))
    second, third = run(here, "mine"), run(here, "mine", "--resume")
    assert [second.wait(), third.wait()] == [1, 1]
    for refused in (second, third):
        assert f"another run (process {first.pid}) is writing to {here / 'mine'}" in said_by(refused)
    assert first.running, "it was not disturbed"
    first.send(signal.SIGKILL)
    assert first.wait() == -signal.SIGKILL
    end = int(newest(here / "mine").removeprefix("images-")) + 64
    after = run(here, "mine", "--resume", "--set", f"run.images={end}")
    assert after.wait() == 0, "a killed process holds no lock"
    assert newest(here / "mine") == f"images-{end:012d}"


def test_a_clock_that_goes_back(here: Path):
    assert run(here, "cut", "--set", "run.images=128").wait() == 0
    back = run(here, "cut", "--resume", prepare=set_the_clock_back)
    assert back.wait() == 0
    assert "resumed at 128 images" in said_by(back)
    assert newest(here / "cut") == "images-000000000256"
    lines = [json.loads(line) for line in (here / "cut" / "metrics.jsonl").read_text().splitlines()]
    assert [line["images"] for line in lines] == [0, 64, 128, 192, 256]
    assert all(line["values"]["speed/images_per_second"] > 0 for line in lines[1:])
    assert run(here, "whole").wait() == 0
    assert_same_end(here, "cut", "whole")
    compared = Forked(["compare", "cut", "whole", "--json"], here, prepare=set_the_clock_back)
    assert compared.wait() == 0, compared.said
