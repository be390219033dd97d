"""The process beside the trainer that mirrors its folder into MLflow: `python -m ganforge.tracking.sidecar RUN`.

It learns from its standard input, a pipe that closes when the trainer ends in whatever way. It says nothing on the
terminal; what is wrong stands in `mlflow.json`.
"""

from __future__ import annotations

import fcntl
import os
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganforge.storage.layout import RunLayout
from ganforge.tracking.follower import Follower
from ganforge.tracking.jsonl import write_json
from ganforge.tracking.reading import read_json, read_run_json
from ganforge.tracking.store import Store

if TYPE_CHECKING:
    from ganforge.tracking.mlflow_mirror import MlflowMirror

POLL_SECONDS = 1.0  # seconds between two looks at the folder
MAX_PAUSE_SECONDS = 30.0  # seconds between two attempts at a store that fails


class Sidecar:
    """One sidecar at work.

    Args:
        folder: the run's folder.
        store: where to mirror to.
        grace: seconds that it goes on trying after the trainer has ended.
    """

    def __init__(self, folder: Path, store: Store, grace: float) -> None:
        self.folder, self.store, self.grace = folder, store, grace
        self.layout = RunLayout(folder)
        self.trainer_ended = threading.Event()  # the trainer has ended, and `run.json` says how
        self._trainer = read_run_json(folder).get("pid")
        self._state: dict[str, Any] = {}

    def work(self) -> int:
        """Mirror until the run has ended and all is there; return the exit code."""
        with self.layout.mlflow_lock.open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # an earlier sidecar of this folder may still be at work
            return self._mirror()

    def _mirror(self) -> int:
        self._state = read_json(self.layout.mlflow) | {"pid": os.getpid(), "phase": "connecting", "error": None}
        self._state["store"] = self.store.name
        self._save()
        from ganforge.tracking import mlflow_mirror as mirroring  # seconds of imports

        done = self._state.setdefault("runs", {}).setdefault(self.store.name, {})
        target: MlflowMirror | None = None
        pause = POLL_SECONDS
        while True:
            over = self.trainer_ended.is_set()
            try:
                if target is None:
                    run = read_run_json(self.folder)
                    new = mirroring.MlflowMirror(self.store, run, done.get("run_id"))
                    if new.run_id != done.get("run_id"):
                        done.clear()  # nothing was sent to this one
                    done["run_id"] = new.run_id
                    follower = Follower(self.folder, done, self._save)
                    self._save()
                    follower.begin(new, mirroring.run_tags({**run, "folder": str(self.folder)}))
                    target = new
                    self._state["phase"] = "following"
                follower.follow(target)
                if over:
                    self._end(target)
                self._state["error"] = None
                pause = POLL_SECONDS
            except Exception as error:  # noqa: BLE001 - whatever a store does, it is said, and tried again
                self._state |= {"phase": "connecting", "error": mirroring.explain_store_error(error, self.store)}
                pause = min(2 * pause, MAX_PAUSE_SECONDS)
                target, over = None, False
            self._save()
            if over:
                return 0
            if self.trainer_ended.is_set():
                time.sleep(min(pause, POLL_SECONDS))
            elif self.trainer_ended.wait(pause):
                pause = POLL_SECONDS

    def watch_trainer(self) -> None:
        """Wait for the end of the trainer, see to it that `run.json` says how it ended, and bound what follows."""
        os.read(0, 1)  # a byte when the trainer says goodbye, nothing when it was killed
        deadline = time.monotonic() + self.grace
        while not self._ended() and time.monotonic() < deadline:
            time.sleep(0.2)
        self.trainer_ended.set()
        time.sleep(max(0.0, deadline - time.monotonic()))
        os._exit(1)  # the store may be in the middle of an endless silence

    def _ended(self) -> bool:
        """Say whether `run.json` has the last word; write it for a trainer that was killed."""
        run = read_run_json(self.folder)
        if run.get("status") != "running" or run.get("pid") != self._trainer:
            return True
        with self.layout.lock.open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:  # a child of the trainer is still there, or the run goes on in another process
                return False
            if read_run_json(self.folder) == run:
                ending = {"status": "killed", "reason": "the process was killed", "end": time.time()}
                write_json(self.layout.run_json, run | ending)
        return True

    def _end(self, target: MlflowMirror) -> None:
        run = read_run_json(self.folder)
        if run["status"] == "running":
            return  # it goes on in another process
        if run.get("reason"):
            target.tags({"ganforge.reason": run["reason"]})
        target.end(run["status"], run.get("end", time.time()))
        self._state["phase"] = "complete"

    def _save(self) -> None:
        write_json(self.layout.mlflow, self._state)


def main() -> int:
    """Run a sidecar: arguments are the folder and the seconds of grace; the address is `MLFLOW_TRACKING_URI`."""
    folder, grace = Path(sys.argv[1]), float(sys.argv[2])
    os.nice(5)
    run = read_run_json(folder)
    store = Store(os.environ["MLFLOW_TRACKING_URI"], run.get("experiment", "ganforge"), run.get("name"))
    sidecar = Sidecar(folder, store, grace)
    threading.Thread(target=sidecar.watch_trainer, daemon=True).start()
    return sidecar.work()


if __name__ == "__main__":
    sys.exit(main())
