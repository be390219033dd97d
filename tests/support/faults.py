"""Faults of the machine, prepared in a forked process of `ganforge` or done to a folder."""

from __future__ import annotations

import ctypes
import itertools
import os
import resource
import time
from pathlib import Path

from ganforge.training.runner import Runner

_VERSION_3, _OVERRIDE = 0x20080522, (1 << 1) | (1 << 2)  # capset(2); CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH
_NEW_MOUNTS, _NEW_USER = 0x00020000, 0x10000000  # unshare(2)


def files_no_larger(size: int, after: int) -> None:
    """Let no file grow beyond so many bytes, once so many images were shown."""
    play_round = Runner.play_round

    def limited(runner: Runner, batch):
        if runner.images >= after:
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
        return play_round(runner, batch)

    Runner.play_round = limited


def obey_permissions() -> None:
    """Take from the superuser what lets it write where it may not; others have nothing to lose."""
    if os.geteuid() != 0:
        return
    libc = ctypes.CDLL(None, use_errno=True)
    header, data = (ctypes.c_uint32 * 2)(_VERSION_3, 0), (ctypes.c_uint32 * 6)()
    if libc.capget(header, data) == 0:
        for at in (0, 1):  # effective, permitted
            data[at] &= ~_OVERRIDE
        if libc.capset(header, data) == 0:
            return
    raise OSError(ctypes.get_errno(), "capabilities cannot be given up")


def obey_permissions_and_lose_them(folder: Path, after: int) -> None:
    """Let a folder become read-only, once so many images were shown."""
    obey_permissions()
    play_round = Runner.play_round

    def read_only(runner: Runner, batch):
        if runner.images == after:
            folder.chmod(0o555)
        return play_round(runner, batch)

    Runner.play_round = read_only


def set_the_clock_back(by: float = 3e7, each: float = 60.0) -> None:
    """Let the clock say a year less, and a minute less each time that it is looked at."""
    now, steps = time.time() - by, itertools.count()
    time.time = lambda: now - each * next(steps)


def small_disk(folder: Path, size: str) -> None:
    """Mount an empty disk of so many bytes ("1m") on a folder, which this process alone sees.

    Raises:
        OSError: that is not allowed here.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    root = os.geteuid() == 0
    for call, arguments in (
        (libc.unshare, (_NEW_MOUNTS | (0 if root else _NEW_USER),)),
        (libc.mount, (b"none", b"/", None, 1 << 18 | 1 << 14, None)),  # MS_PRIVATE | MS_REC
        (libc.mount, (b"none", os.fsencode(folder), b"tmpfs", 0, f"size={size}".encode())),
    ):
        if call(*arguments) != 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
