"""A process that is killed while it saves leaves checkpoints that can be loaded, and no half one."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import time
from pathlib import Path

import pytest
import torch

from ganforge.storage.checkpoint import (
    Checkpoint,
    list_checkpoints,
    load_checkpoint,
    load_newest,
    prune_checkpoints,
    save_checkpoint,
)

TENSORS = {f"game/{index}": torch.full((64, 1024), float(index)) for index in range(8)}  # 2 MiB


def save_for_ever(folder: Path, first: int) -> None:
    images = first
    while True:
        save_checkpoint(folder, images, Checkpoint(TENSORS, {"images": images}))
        save_checkpoint(folder, images, Checkpoint(TENSORS, {"images": images}))  # once more in place of the first
        prune_checkpoints(folder, images, keep=2)
        images += 1


@pytest.mark.parametrize("moment", range(10))
def test_killed_at_any_moment(tmp_path: Path, moment: int):
    save_checkpoint(tmp_path, 1, Checkpoint(TENSORS, {"images": 1}))
    child = multiprocessing.get_context("fork").Process(target=save_for_ever, args=(tmp_path, 2))
    child.start()
    try:
        time.sleep(0.02 + random.Random(moment).random() * 0.3)
    finally:
        assert child.pid is not None
        os.kill(child.pid, signal.SIGKILL)
        child.join()
    left = list_checkpoints(tmp_path)
    assert left, "there is always one"
    for path in left:
        load_checkpoint(path)  # each is whole
    _, path, passed_over = load_newest(tmp_path)
    assert path == left[-1]
    assert passed_over == []
    save_checkpoint(tmp_path, 1_000_000, Checkpoint(TENSORS, {"images": 1_000_000}))
    prune_checkpoints(tmp_path, 1_000_000, keep=2)
    assert all(entry.name.startswith("images-") for entry in tmp_path.iterdir()), "what was left is cleared away"


def test_a_folder_that_cannot_be_written(tmp_path: Path):
    """Older ones stay, and a sentence says what happened; the superuser may write anywhere, so as somebody else."""
    save_checkpoint(tmp_path, 1, Checkpoint(TENSORS, {"images": 1}))
    answer = multiprocessing.get_context("fork").SimpleQueue()

    def attempt() -> None:
        if os.getuid() == 0:
            os.setuid(65534)
        try:
            save_checkpoint(tmp_path, 2, Checkpoint(TENSORS, {"images": 2}))
            answer.put("it was written")
        except ValueError as error:
            answer.put(str(error))

    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o555)
    try:
        child = multiprocessing.get_context("fork").Process(target=attempt)
        child.start()
        told = answer.get()
        child.join()
    finally:
        for folder in (tmp_path, *tmp_path.parents[:2]):
            folder.chmod(0o700)
    assert "could not be written" in told
    assert "Permission denied" in told
    load_newest(tmp_path)
