"""Several processes with one voice: what goes wrong is said once, by a process where it went wrong."""

from __future__ import annotations

import hashlib
import os
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import click
import torch
from torch.distributed.distributed_c10d import _get_default_store

from ganforge.errors import GanforgeError, LostError
from ganforge.launch import LAUNCHER
from ganforge.share import is_loss

_SAID = "ganforge/said"  # in the store that all processes share
_LOST = (
    "another process of this run ended without a word (killed, perhaps for want of memory), so that this one cannot go "
    "on; --resume goes on from the newest checkpoint"
)


@contextmanager
def one_voice() -> Iterator[None]:
    """Say here what goes wrong inside, unless another process said so already, and leave with the exit code.

    Before processes have met, the first one on each machine speaks for all; they read the same files. A process that
    only lost another keeps silent where that one, or the launcher, has the word. One process alone needs none of this.

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
    if is_loss(error):
        if LAUNCHER not in os.environ and not _someone_spoke() and _first(_LOST):
            _say(_LOST)
        return LostError.exit_code
    if isinstance(error, GanforgeError):
        if _first(str(error)):
            _say(str(error))
        return error.exit_code
    if not torch.distributed.is_initialized() or _first(f"{type(error).__name__}: {error}"):
        traceback.print_exception(error)
    return 1


def _say(text: str) -> None:
    click.echo(f"{click.style('error', fg='red', bold=True)}: {text}", err=True)


def _someone_spoke() -> bool:
    try:
        return bool(_get_default_store().check([_SAID]))
    except (RuntimeError, ValueError):  # the store went with the process that kept it
        return False


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
