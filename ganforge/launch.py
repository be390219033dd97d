"""Starting one training process for each device, and taking all down when one dies."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from types import FrameType

GRACE = 20.0  # seconds that processes have to end after they were told to


def environment_of(rank: int, processes: int, port: int) -> dict[str, str]:
    """Return what a process needs to know to find the others: the variables that torchrun sets, too."""
    return {
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(processes),
        "LOCAL_WORLD_SIZE": str(processes),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }


def free_port() -> int:
    """Return a port of this machine that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def launch(arguments: Sequence[str], processes: int, environment: Mapping[str, str]) -> int:
    """Run `python -m ganforge ARGUMENTS` in so many processes on this machine.

    Signals are passed on to all of them. When one fails, the others are told to end, and killed after a while.

    Returns:
        The exit code of the one that failed first; 0 where all went well.
    """
    port = free_port()
    threads = environment.get("OMP_NUM_THREADS") or str(max((os.cpu_count() or 1) // processes, 1))
    children = [
        subprocess.Popen(
            [sys.executable, "-m", "ganforge", *arguments],
            env={**environment, **environment_of(rank, processes, port), "OMP_NUM_THREADS": threads},
            start_new_session=True,  # a terminal's Ctrl-C reaches them through us, once
        )
        for rank in range(processes)
    ]

    def pass_on(number: int, frame: FrameType | None) -> None:
        for child in children:
            if child.poll() is None:
                child.send_signal(number)

    before = {number: signal.signal(number, pass_on) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        return _wait(children)
    finally:
        for child in children:
            if child.poll() is None:
                child.kill()
        for number, handler in before.items():
            signal.signal(number, handler)


def _wait(children: Sequence[subprocess.Popen[bytes]]) -> int:
    """Wait for all; after the first failure the others have `GRACE` seconds."""
    first, deadline = 0, float("inf")
    while any(child.poll() is None for child in children):
        failed = [child.returncode for child in children if child.poll()]
        if failed and not first:
            first, deadline = failed[0], time.monotonic() + GRACE
            for child in children:
                if child.poll() is None:
                    child.terminate()
        if time.monotonic() > deadline:
            break
        time.sleep(0.1)
    codes = [child.returncode for child in children if child.poll()]
    first = first or (codes[0] if codes else 0)
    return 128 - first if first < 0 else first
