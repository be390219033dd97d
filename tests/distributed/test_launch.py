"""Starting processes, and ending all when one fails."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from ganforge.distributed import launch as launching
from ganforge.distributed.launch import end_with_launcher, free_port, launch, launched_world_size, process_environment
from ganforge.errors import GanforgeError

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
        monkeypatch.chdir(tmp_path)  # `python -m` looks here first, where the launcher does
        monkeypatch.syspath_prepend(str(tmp_path))
        environment = {key: value for key, value in os.environ.items() if key != "OMP_NUM_THREADS"}
        return launch([str(tmp_path)], processes, environment)

    return start


def test_all_know_their_place(stand_in, tmp_path: Path):
    assert stand_in("", 3) == 0
    told = [(tmp_path / str(rank)).read_text().split() for rank in range(3)]
    assert [words[:5] for words in told] == [[str(rank), str(rank), "3", "3", "127.0.0.1"] for rank in range(3)]
    assert len({words[5] for words in told}) == 1, "one port"
    assert all(int(words[6]) >= 1 for words in told)


def test_the_first_failure_ends_all_and_gives_the_code(stand_in, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(launching, "PATIENCE", 0.3)
    began = time.monotonic()
    assert stand_in("time.sleep(60) if rank == '0' else sys.exit(7)") == 7
    assert time.monotonic() - began < 40


def test_a_killed_one_gives_137(stand_in, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]):
    monkeypatch.setattr(launching, "PATIENCE", 0.3)
    assert stand_in("time.sleep(60) if rank == '0' else os.kill(os.getpid(), signal.SIGKILL)") == 137
    assert capfd.readouterr().err.startswith("error: process 1 of 2 was ended by SIGKILL")


def test_whoever_only_lost_another_does_not_give_the_code(stand_in):
    assert stand_in("sys.exit(6) if rank == '0' else (time.sleep(0.5), sys.exit(3))") == 3


def test_those_that_end_together_have_time_to(stand_in, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """After a signal or a monitor's stop the main process still writes when others are gone already."""
    monkeypatch.setattr(launching, "PATIENCE", 0.1)
    monkeypatch.setattr(launching, "GRACE", 0.1)
    script = "sys.exit(143) if rank == '1' else (time.sleep(1), open(f'{folder}/written', 'w'), sys.exit(143))"
    assert stand_in(script) == 143
    assert (tmp_path / "written").exists()


def test_when_the_launcher_is_killed_its_processes_end(tmp_path: Path):
    """Asked first, as by SIGTERM; the hard way where that does not help."""
    child = """
import os, signal, sys, time
from pathlib import Path
from ganforge.distributed.launch import end_with_launcher
place, stubborn = Path(sys.argv[1]), sys.argv[2] == "stubborn"
def asked(*_):
    (place / f"asked-{sys.argv[2]}").touch()
    if not stubborn:
        sys.exit(143)
signal.signal(signal.SIGTERM, asked)
end_with_launcher(os.environ, grace=0.5)
(place / f"there-{os.getpid()}").touch()
end = time.monotonic() + 60
while time.monotonic() < end:
    time.sleep(0.1)
"""
    parent = f"""
import os, subprocess, sys, time
os.environ["GANFORGE_LAUNCHER"] = str(os.getpid())
for kind in ("willing", "stubborn"):
    subprocess.Popen([sys.executable, "-c", {child!r}, {str(tmp_path)!r}, kind])
time.sleep(60)
"""
    launcher = subprocess.Popen([sys.executable, "-c", parent])
    deadline = time.monotonic() + 60
    while len(there := list(tmp_path.glob("there-*"))) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    launcher.kill()
    launcher.wait()
    pids = [int(path.name.removeprefix("there-")) for path in there]
    children = [psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)]
    _, alive = psutil.wait_procs(children, timeout=20)
    assert [child for child in alive if child.status() != psutil.STATUS_ZOMBIE] == []
    assert {path.name for path in tmp_path.glob("asked-*")} == {"asked-willing", "asked-stubborn"}


def test_without_a_launcher_nothing_is_watched():
    before = threading.active_count()
    end_with_launcher({})
    assert threading.active_count() == before


TORCHRUN = {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "1"}


@pytest.mark.parametrize(
    ("environment", "processes", "world"),
    [
        ({}, None, None),
        ({}, 2, None),
        (TORCHRUN, None, 2),
        (TORCHRUN, 2, 2),
        ({"WORLD_SIZE": "1"}, 1, 1),
        ({**TORCHRUN, "SLURM_STEP_NUM_TASKS": "2", "ACCELERATE_MIXED_PRECISION": "no"}, None, 2),
        ({"SLURM_STEP_NUM_TASKS": "1", "MASTER_PORT": "1"}, 4, None),
    ],
)
def test_the_world_that_was_asked_for(environment: dict[str, str], processes: int | None, world: int | None):
    assert launched_world_size(environment, processes) == world


@pytest.mark.parametrize(
    ("environment", "processes", "sentence"),
    [
        (
            {"WORLD_SIZE": "2"},
            None,
            "2 processes were asked for, and RANK, LOCAL_RANK, MASTER_ADDR, MASTER_PORT are not",
        ),
        ({"WORLD_SIZE": "many"}, None, "WORLD_SIZE = 'many'; expected a number of processes"),
        ({"WORLD_SIZE": "1", "RANK": "0"}, 2, "processes 2, but the environment says WORLD_SIZE = 1"),
        (TORCHRUN, 4, "processes 4, but the environment says WORLD_SIZE = 2"),
        (
            {"ACCELERATE_MIXED_PRECISION": "no", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500"},
            None,
            "accelerate launch --multi_gpu --num_processes N -m ganforge run RECIPE",
        ),
        ({"SLURM_STEP_NUM_TASKS": "4"}, None, "srun started 4 processes (SLURM_STEP_NUM_TASKS)"),
        ({"OMPI_COMM_WORLD_SIZE": "2"}, 2, "mpirun started 2 processes (OMPI_COMM_WORLD_SIZE)"),
    ],
)
def test_another_world_is_an_error_in_one_sentence(environment: dict[str, str], processes: int | None, sentence: str):
    with pytest.raises(GanforgeError) as error:
        launched_world_size(environment, processes)
    assert sentence in str(error.value)
    assert "-m ganforge run RECIPE" in str(error.value), "the right command is named"
    assert "\n" not in str(error.value)


def test_one_that_will_not_end_is_killed(stand_in, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(launching, "GRACE", 0.5)
    monkeypatch.setattr(launching, "PATIENCE", 0.5)
    script = "signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(0 if rank == '1' else 60); sys.exit(5)"
    began = time.monotonic()
    assert stand_in(script) == 5
    assert time.monotonic() - began < 40


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
    assert process_environment(1, 4, 999)["WORLD_SIZE"] == "4"
    assert sys.executable
