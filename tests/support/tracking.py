"""What tests of tracking share: a run's folder in a few lines, and a look into the store afterwards."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ganforge.tracking import RunFolder, Store, run_record
from support.paths import PYTHONPATH

RECIPE = """seed = 7
[data]
kind = "faces"
[game]
kind = "gan"
[game.generator]
optimizer = { lr = 0.001, betas = [0.0, 0.99] }
[[metrics]]
kind = "fid"
every_images = 100
"""
DIGEST = "5eed" * 16  # of that recipe, as a trainer would tell it
PNG = bytes.fromhex("89504e470d0a1a0a")


def begin(path: Path, store: Store | None, resumed_at: int | None = None, recipe: str = RECIPE) -> RunFolder:
    folder = RunFolder(path)
    if resumed_at is not None:
        folder.rewind(resumed_at)
    command = ["ganforge", "run", "x.toml"]
    record = run_record(device="cpu", recipe_digest=DIGEST, plugins={"ganforge": "1.2.3"}, command=command)
    folder.begin(record, recipe, store, resumed=resumed_at is not None)
    return folder


def play(folder: RunFolder, start: int, end: int, step: int = 10) -> float:
    """Write metrics, and return the longest time that one call took, in seconds."""
    longest = 0.0
    for images in range(start, end, step):
        before = time.perf_counter()
        folder.metrics(images, images // step, {"g.loss": images / 2, "d.loss": -images / 4})
        longest = max(longest, time.perf_counter() - before)
    return longest


def python(code: str, *arguments: str, environment: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
    """Start a trainer of its own; it prints a line when it is under way."""
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), *arguments],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": PYTHONPATH, **(environment or {})},
        start_new_session=True,
    )


def kill(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert process.stdout is not None
    process.stdout.close()


def eventually(question: Callable[[], Any], seconds: float = 20.0) -> Any:
    """Ask again and again until the answer is yes."""
    deadline = time.monotonic() + seconds
    while not (answer := question()):
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.05)
    return answer
