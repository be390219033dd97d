"""The tracker, and the run's folder: `metrics.jsonl`, `events.jsonl`, `run.json`, `recipe.toml`, `grids/`."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, Protocol

from ganforge.errors import GanforgeError, argument
from ganforge.storage.layout import RunLayout
from ganforge.tracking.jsonl import JsonlFile, write_json
from ganforge.tracking.reading import read_run_json
from ganforge.tracking.redaction import redact
from ganforge.tracking.sidecar_process import SidecarProcess
from ganforge.tracking.store import Store

Status = Literal["finished", "failed", "killed"]


class Tracker(Protocol):
    """Where the numbers of a run go. No call waits for anything but the local disk, except `finish`."""

    def metrics(
        self,
        images: int,
        round_: int,
        values: Mapping[str, float],
        receipts: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        """Record named values after so many images shown; `receipts` say by name how a value came about."""
        return

    def event(self, images: int, kind: str, text: str, details: Mapping[str, Any] | None = None) -> None:
        """Record a notice; one of kind `finding` (details: `name`) becomes a tag of the MLflow run."""
        return

    def finish(self, status: Status, reason: str | None = None) -> str | None:
        """End the run; return a sentence about tracking where there is something to say."""
        return None


class NoTracker(Tracker):
    """The tracker of processes other than the main one: it records nothing."""


class RunFolder:
    """The folder of one run, which one process at a time may write to.

    Use: `folder = RunFolder(path)`, for a resumed run `folder.rewind(images)`, then `folder.begin(...)`, then as a
    `Tracker`.

    Args:
        path: the folder; made when missing.
        patience: seconds that another process may take to let go of the folder.

    Raises:
        GanforgeError: another process writes to the folder, or nobody can.
    """

    def __init__(self, path: Path, patience: float = 2.0) -> None:
        self.path = path.absolute()
        self.layout = RunLayout(self.path)
        with self._writing():
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock: int | None = self._take_lock(patience)
            try:
                self._metrics = JsonlFile(self.layout.metrics)
                self._events = JsonlFile(self.layout.events)
            except OSError:
                os.close(self._lock)
                raise
        self.sidecar: SidecarProcess | None = None

    @property
    def previous(self) -> Mapping[str, Any]:
        """What `run.json` says; empty for a new folder."""
        return read_run_json(self.path)

    def rewind(self, images: int) -> int:
        """Forget what was recorded after so many images shown: it is played again; return how many lines were bad."""
        with self._writing():
            return self._metrics.rewind(images) + self._events.rewind(images)

    def begin(self, new: Mapping[str, Any], recipe_toml: str, store: Store | None, *, resumed: bool = False) -> None:
        """Write `run.json` and `recipe.toml`, and start the sidecar.

        Args:
            new: what `run.json` is to say of a new run; see `run_record`.
            recipe_toml: the resolved recipe.
            store: where to mirror to; None for nowhere.
            resumed: the folder's run goes on, under its id and as the same MLflow run.

        Raises:
            GanforgeError: the folder holds a run that is not to be resumed, or cannot be written.
        """
        before = self.previous
        if before and not resumed:
            raise GanforgeError(
                f"{self.path} already holds a run ({before.get('status', 'unknown')}); go on with it by "
                f"{argument('resume')}, or give another folder with {argument('folder')}"
            )
        record = dict(new)
        if before:
            record |= {name: before[name] for name in ("id", "start") if name in before} | {"resumed": time.time()}
        record |= {"status": "running", "pid": os.getpid(), "store": None if store is None else store.name}
        record |= {} if store is None else {"experiment": store.experiment, "name": store.run}
        with self._writing():
            self.layout.grids.mkdir(exist_ok=True)
            self.layout.recipe.write_text(redact(recipe_toml), encoding="utf-8")
            write_json(self.layout.run_json, record)
        if store is not None:
            self.sidecar = SidecarProcess(self.path, store)

    def metrics(
        self,
        images: int,
        round_: int,
        values: Mapping[str, float],
        receipts: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        """Append a line to `metrics.jsonl`; non-finite values are written as null."""
        line = {"images": images, "round": round_, "time": time.time(), "values": values}
        self._metrics.append(line if receipts is None else {**line, "receipts": receipts})

    def event(self, images: int, kind: str, text: str, details: Mapping[str, Any] | None = None) -> None:
        """Append a line to `events.jsonl`."""
        self._events.append(
            {"images": images, "time": time.time(), "kind": kind, "text": text, "details": details or {}}
        )

    def finish(self, status: Status, reason: str | None = None, patience: float = 10.0) -> str | None:
        """Write the final status, wait for the sidecar, and let go of the folder.

        Args:
            status: how it ended.
            reason: why, where there is something to say.
            patience: seconds for which the store may refuse the rest; thrice as long while it does not.
        """
        if self._lock is None:
            return None
        record = dict(self.previous) | {"status": status, "reason": reason, "end": time.time()}
        problem = self._metrics.problem or self._events.problem
        try:
            write_json(self.layout.run_json, record)
        except OSError as error:
            problem = f"{self.layout.run_json} cannot be written ({error.strerror})"
        if self.sidecar is not None:
            problem = self.sidecar.stop(patience, 3 * patience) or problem
        self.close()
        return problem

    def close(self) -> None:
        """Let go of the folder, without a word about the run."""
        if self._lock is not None:
            self._metrics.close()
            self._events.close()
            fcntl.flock(self._lock, fcntl.LOCK_UN)  # forked children may hold the file, but shall not hold the lock
            os.close(self._lock)
            self._lock = None

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise GanforgeError(
                f"the run's folder {self.path} cannot be written ({error.strerror}: {error.filename}); make room or "
                f"mend its permissions, or choose another with {argument('folder')}"
            ) from error

    def _take_lock(self, patience: float) -> int:
        lock = os.open(self.layout.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        deadline = time.monotonic() + patience
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    pid = os.read(lock, 32).decode() or "unknown"
                    os.close(lock)
                    raise GanforgeError(
                        f"another run (process {pid}) is writing to {self.path}; wait for it, stop it, or choose "
                        "another folder"
                    ) from None
                time.sleep(0.05)
        os.ftruncate(lock, 0)
        os.pwrite(lock, str(os.getpid()).encode(), 0)
        return lock
