"""Error reports of several processes: each error is reported once, by a process where it happened."""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from collections.abc import Callable
from datetime import timedelta

import torch.distributed
from torch.distributed import PrefixStore, Store, TCPStore  # type: ignore[attr-defined]  # documented, not re-exported

from ganforge.distributed.launch import LAUNCHER
from ganforge.distributed.world import is_peer_loss
from ganforge.errors import GanforgeError, LostError

PATIENCE = 1.0  # seconds
_REPORTED, _ENDED = "reported", "ended"  # keys in the store


def report_once(error: Exception, report: Callable[[Exception], None]) -> int:
    """Report an error, unless another process has reported the same; return the exit code.

    Before processes have met, the first one on each machine reports for all; they read the same files. Of a process
    that was lost without a word only the main one tells, unless it is for the launcher to do so.

    Args:
        error: that ends this process.
        report: is given what a person should read: `error`, or in the place of a lost connection a `LostError`.
    """
    met = torch.distributed.is_initialized()
    if is_peer_loss(error):
        if os.environ.get("RANK") == "0" and LAUNCHER not in os.environ and not (met and _has_another_reported()):
            report(
                LostError(
                    "another process of this run ended without a word (killed, perhaps for want of memory), so that "
                    "this one cannot go on; a run that is resumed goes on from its newest checkpoint"
                )
            )
        return LostError.exit_code
    ours = isinstance(error, GanforgeError)
    text = str(error) if ours else f"{type(error).__name__}: {error}"
    if _is_first(text) if met else not ours or os.environ.get("LOCAL_RANK", "0") == "0":
        report(error)
    if met:
        _wait_for_others()
    return error.exit_code if isinstance(error, GanforgeError) else 1


def _store() -> Store:
    """Return what the processes share: keys in the store where they met, through a connection of our own."""
    address, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    timeout = timedelta(seconds=PATIENCE)
    return PrefixStore("ganforge", TCPStore(address, port, timeout=timeout, wait_for_workers=False))


def _has_another_reported() -> bool:
    try:
        return bool(_store().check([_REPORTED]))
    except RuntimeError:  # the launcher kept the store, and is gone too
        return False


def _is_first(text: str) -> bool:
    try:
        store = _store()
        store.set(_REPORTED, "")
        return bool(store.add(f"{_REPORTED}/{hashlib.sha256(text.encode()).hexdigest()}", 1) == 1)
    except RuntimeError:  # the store went with the process that kept it: better twice than never
        return True


def _wait_for_others() -> None:
    """Let the main process, which may keep the store, stay until others that fail too have asked who reported."""
    deadline = time.monotonic() + PATIENCE
    with contextlib.suppress(RuntimeError):
        store = _store()
        store.add(_ENDED, 1)
        if torch.distributed.get_rank() == 0:
            while store.add(_ENDED, 0) < torch.distributed.get_world_size() and time.monotonic() < deadline:
                time.sleep(0.05)
