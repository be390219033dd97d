"""Starting processes, and ending all when one fails."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path

import pytest

from ganforge import launch as launching
from ganforge.launch import environment_of, free_port, launch

CHILD = """
import os, signal, sys, time
rank = os.environ["RANK"]
folder = sys.argv[-1]
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
signal.signal(signal.SIGINT, lambda *_: (open(f"{folder}/interrupted-{rank}", "w"), sys.exit(130)))
names = "RANK LOCAL_RANK WORLD_SIZE LOCAL_WORLD_SIZE MASTER_ADDR MASTER_PORT OMP_NUM_THREADS".split()
open(f"{folder}/{rank}", "w").write(" ".join(os.environ[name] for name in names))
"""


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Play this script in place of `python -m ganforge`; returns how to launch it."""

    def start(script: str, processes: int = 2) -> int:
        package = tmp_path / "ganforge"
        package.mkdir()
        (package / "__init__.py").write_text("")
        (package / "__main__.py").write_text(CHILD + script)
        monkeypatch.chdir(tmp_path)  # `python -m` looks here first
        environment = {key: value for key, value in os.environ.items() if key != "OMP_NUM_THREADS"}
        return launch([str(tmp_path)], processes, environment)

    return start


def test_all_know_their_place(stand_in, tmp_path: Path):
    assert stand_in("", 3) == 0
    told = [(tmp_path / str(rank)).read_text().split() for rank in range(3)]
    assert [words[:5] for words in told] == [[str(rank), str(rank), "3", "3", "127.0.0.1"] for rank in range(3)]
    assert len({words[5] for words in told}) == 1, "one port"
    assert all(int(words[6]) >= 1 for words in told)


def test_the_first_failure_ends_all_and_gives_the_code(stand_in):
    began = time.monotonic()
    assert stand_in("time.sleep(60) if rank == '0' else sys.exit(7)") == 7
    assert time.monotonic() - began < 10


def test_a_killed_one_gives_137(stand_in):
    assert stand_in("time.sleep(60) if rank == '0' else os.kill(os.getpid(), signal.SIGKILL)") == 137


def test_one_that_will_not_end_is_killed(stand_in, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(launching, "GRACE", 0.5)
    script = "signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(0 if rank == '1' else 60); sys.exit(5)"
    began = time.monotonic()
    assert stand_in(script) == 5
    assert time.monotonic() - began < 10


def test_ctrl_c_reaches_all_once(stand_in, tmp_path: Path):
    def interrupt() -> None:
        while not all((tmp_path / str(rank)).exists() for rank in range(2)):
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    thread = threading.Thread(target=interrupt)
    thread.start()
    assert stand_in("time.sleep(60)") == 130
    thread.join()
    assert all((tmp_path / f"interrupted-{rank}").exists() for rank in range(2))
    assert signal.getsignal(signal.SIGINT) == before, "handlers are given back"


def test_a_free_port_is_free():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", free_port()))


def test_environment():
    assert environment_of(1, 4, 999)["WORLD_SIZE"] == "4"
    assert sys.executable
