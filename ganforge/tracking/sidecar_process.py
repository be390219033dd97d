"""The sidecar process as the trainer sees it: started, asked for problems, given a while to catch up, stopped."""

from __future__ import annotations

import contextlib
import math
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from ganforge.storage.layout import RunLayout
from ganforge.tracking.reading import read_json, whole_lines
from ganforge.tracking.redaction import redact
from ganforge.tracking.store import Store

MLFLOW_DEFAULTS = {  # for the sidecar alone, where the user has not chosen otherwise
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}


class SidecarProcess:
    """The sidecar of a run's folder, started in a session of its own: Ctrl-C is for the trainer.

    Its standard input is a pipe that closes with the trainer, however that ends.

    Args:
        folder: the run's folder.
        store: where to mirror to.
        grace: seconds that it goes on trying after the trainer has ended.
    """

    def __init__(self, folder: Path, store: Store, grace: float = 60.0) -> None:
        self.folder, self.store = folder, store
        database = store.database
        if database is not None:
            database.parent.mkdir(parents=True, exist_ok=True)
        address = {"MLFLOW_TRACKING_URI": store.address}  # not an argument: it may hold a password
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "ganforge.tracking.sidecar", str(folder), str(grace)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=None if database is None else database.parent,  # artifacts land beside the database
            env={**MLFLOW_DEFAULTS, **os.environ, **address, "OMP_NUM_THREADS": "1"},
            start_new_session=True,
        )

    @property
    def problem(self) -> str | None:
        """What the sidecar says is wrong, or that it is gone."""
        error = self._state().get("error")
        if error is not None:
            return str(error)
        code = self.process.poll()
        return f"the process that mirrors into {self.store.name} ended with code {code}" if code else None

    def stop(self, patience: float = 10.0, limit: float = math.inf) -> str | None:
        """Wait until all is mirrored, and say what is missing.

        Args:
            patience: seconds for which the store may refuse what it is given.
            limit: seconds to wait at most.
        """
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it is gone already; `problem` says so
            self.process.stdin.write(b".")  # a byte, because a forked child of the trainer may hold the pipe open
            self.process.stdin.close()
        began = taken = time.monotonic()
        try:  # Ctrl-C ends the sidecar too
            while self.process.poll() is None and time.monotonic() < min(taken + patience, began + limit):
                time.sleep(0.05)
                if self.problem is None:
                    taken = time.monotonic()
        finally:
            self._terminate()
        return self._describe_missing()

    def _describe_missing(self) -> str | None:
        if self.process.returncode == 0:
            return None
        in_time = self.process.returncode != -signal.SIGTERM
        why = (self.problem if in_time else self._state().get("error")) or "there was not time enough"
        done = self._state().get("runs", {}).get(self.store.name, {}).get("lines", 0)
        there = len(whole_lines(RunLayout(self.folder).metrics))
        return redact(
            f"the MLflow run in {self.store.name} is not complete ({why}): it has {done} of {there} lines of metrics; "
            f"{self.folder} has them all, and this brings them there later: "
            f"ganforge track {shlex.quote(os.path.relpath(self.folder))}"
        )

    def _state(self) -> dict[str, Any]:
        """What this sidecar wrote; what an earlier one left in the folder does not count."""
        state = read_json(RunLayout(self.folder).mlflow)
        return state if state.get("pid") == self.process.pid else {}

    def _terminate(self) -> None:
        if self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            self.process.wait(1)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
