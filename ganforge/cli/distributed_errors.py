"""Several processes with one voice: what goes wrong is said once, by a process where it went wrong."""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import click
import torch
from torch.distributed.distributed_c10d import _get_default_store

from ganforge.cli.messages import error_text, show_error
from ganforge.distributed.launch import LAUNCHER
from ganforge.distributed.world import is_peer_loss
from ganforge.errors import GanforgeError, LostError

_SAID, _ENDED = "ganforge/said", "ganforge/ended"  # in the store that all processes share
PATIENCE = 1.0  # seconds
_LOST = (
    "another process of this run ended without a word (killed, perhaps for want of memory), so that this one cannot go "
    "on; --resume goes on from the newest checkpoint"
)


@contextmanager
def one_voice() -> Iterator[None]:
    """Say here what goes wrong inside, unless another process said so already, and leave with the exit code.

    Before processes have met, the first one on each machine speaks for all; they read the same files. Of a process that
    was lost without a word only the main one tells, unless it is for the launcher to say. One process alone needs none
    of this.

    Raises:
        click.exceptions.Exit: in place of whatever was raised and is said now.
    """
    if os.environ.get("WORLD_SIZE", "1") == "1":
        yield
        return
    try:
        yield
    except (click.exceptions.Exit, click.ClickException, click.exceptions.Abort):
        raise
    except Exception as error:
        raise click.exceptions.Exit(_tell(error)) from error


def _tell(error: Exception) -> int:
    """Say what went wrong, if it is for this process to say; return the exit code."""
    if is_peer_loss(error):
        main = os.environ.get("RANK") == "0"
        if main and LAUNCHER not in os.environ and not _someone_spoke():
            show_error(_LOST)
        return LostError.exit_code
    if isinstance(error, GanforgeError):
        text = error_text(error)
        if _first(text):
            show_error(text)
        _part()
        return error.exit_code
    if not torch.distributed.is_initialized() or _first(f"{type(error).__name__}: {error}"):
        traceback.print_exception(error)
    _part()
    return 1


def _someone_spoke() -> bool:
    try:
        return bool(_get_default_store().check([_SAID]))
    except (RuntimeError, ValueError):  # the launcher kept the store, and is gone too
        return False


def _part() -> None:
    """Let the main process, which may keep the store, stay until others that fail too have asked who spoke."""
    if not torch.distributed.is_initialized():
        return
    processes, rank = torch.distributed.get_world_size(), torch.distributed.get_rank()
    deadline = time.monotonic() + PATIENCE
    with contextlib.suppress(RuntimeError, ValueError):
        ended = _get_default_store().add(_ENDED, 1)
        while rank == 0 and ended < processes and time.monotonic() < deadline:
            time.sleep(0.05)
            ended = _get_default_store().add(_ENDED, 0)


def _first(text: str) -> bool:
    """Whether this process is the first to say so."""
    if not torch.distributed.is_initialized():
        return os.environ.get("LOCAL_RANK", "0") == "0"
    try:
        store = _get_default_store()
        store.set(_SAID, "")
        return bool(store.add(f"{_SAID}/{hashlib.sha256(text.encode()).hexdigest()}", 1) == 1)
    except (RuntimeError, ValueError):  # the store went with the process that kept it: better twice than never
        return True
