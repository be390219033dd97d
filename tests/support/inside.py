"""The process that mirrors into MLflow, as a thread of the test's own process."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest

from ganforge.tracking import Store
from ganforge.tracking.reading import read_json
from ganforge.tracking.sidecar import Sidecar
from ganforge.tracking.sidecar_process import MLFLOW_DEFAULTS


class Inside:
    """Stands in for the process that mirrors, in a thread of this one: MLflow is imported once for all tests.

    What is passed between the two, the state file and the exit code are as between processes.
    """

    def __init__(self, command: Sequence[str], *, env: Mapping[str, str], cwd: Path | None, **_: object) -> None:
        folder, grace = Path(command[-2]), float(command[-1])
        if cwd is not None:
            os.chdir(cwd)
        run = read_json(folder / "run.json")
        store = Store(env["MLFLOW_TRACKING_URI"], run.get("experiment", "ganforge"), run.get("name"))
        self.pid, self.returncode = os.getpid(), None
        self.stdin, self._sidecar = self, _Mortal(folder, store, grace)
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def _work(self) -> None:
        try:
            code = self._sidecar.work()
        except SystemExit:
            return
        self.returncode = code

    def write(self, _: bytes) -> None:
        self._sidecar.trainer_ended.set()

    def close(self) -> None:
        pass

    def poll(self) -> int | None:
        return self.returncode

    def wait(self, seconds: float | None = None) -> int | None:
        self._thread.join(seconds)
        if self._thread.is_alive():
            raise subprocess.TimeoutExpired("inside", seconds or 0.0)
        return self.returncode

    def terminate(self) -> None:
        self._end(-signal.SIGTERM)

    def kill(self) -> None:
        self._end(-signal.SIGKILL)

    def _end(self, code: int) -> None:
        self._sidecar.dead = True
        self._sidecar.trainer_ended.set()
        self._thread.join(5)
        self.returncode = code


class _Mortal(Sidecar):
    """A sidecar that stops at the next thing that it has to say."""

    dead = False

    def _save(self) -> None:
        if self.dead:
            raise SystemExit
        super()._save()


@pytest.fixture
def inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let sidecars work in threads of this process."""
    process = SimpleNamespace(
        Popen=Inside,
        PIPE=subprocess.PIPE,
        DEVNULL=subprocess.DEVNULL,
        TimeoutExpired=subprocess.TimeoutExpired,
    )
    monkeypatch.chdir(tmp_path)  # they change it
    monkeypatch.setattr("ganforge.tracking.sidecar_process.subprocess", process)
    for name, value in MLFLOW_DEFAULTS.items():
        monkeypatch.setenv(name, os.environ.get(name, value))
