"""Disk operations of checkpoints: room, bytes that are really there, and folders that change places at once."""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
from pathlib import Path

from ganforge.errors import format_bytes

_AT_FDCWD, _RENAME_EXCHANGE = -100, 2  # AT_FDCWD and RENAME_EXCHANGE, see renameat2(2)
_UNSUPPORTED = (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP)
RESERVED_BYTES = 2**20  # bytes that are left free for the log


def check_free_space(folder: Path, wanted: int) -> None:
    """See that so many bytes can be written into a folder, and a little more.

    Raises:
        OSError: they cannot.
    """
    free = shutil.disk_usage(folder).free
    if free < wanted * 1.05 + RESERVED_BYTES:
        raise OSError(
            errno.ENOSPC, f"{format_bytes(wanted)} and a little more are needed, {format_bytes(free)} are free"
        )


def fsync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(folder: Path) -> None:
    """Make a folder and those above it that are missing, each on the disk before what goes into it."""
    missing = [folder, *folder.parents]
    missing = missing[: next(index for index, path in enumerate(missing) if path.exists())]
    folder.mkdir(parents=True, exist_ok=True)
    for path in missing:
        fsync(path.parent)


def replace_folder(new: Path, final: Path) -> None:
    """Give a folder its final name, in place of what has it; the name is never without one.

    Where the file system cannot exchange two names (NFS, say), there is a moment between two renames.
    """
    if not os.path.lexists(final):
        new.rename(final)
        fsync(final.parent)
        return
    if not exchange_folders(new, final):
        before = new.with_name(f"{new.name}.old")
        delete(before)
        final.rename(before)
        new.rename(final)
        new = before
    fsync(final.parent)
    delete(new)


def exchange_folders(one: Path, two: Path) -> bool:
    """Let two names change places in one step; return False where that cannot be done here.

    By ctypes, since Python has no such call. After a roll-back a run may have no other checkpoint than the one that is
    replaced; between two renames it would have none.
    """
    try:
        renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError):
        return False
    if renameat2(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(two), _RENAME_EXCHANGE) == 0:
        return True
    number = ctypes.get_errno()
    if number in _UNSUPPORTED:
        return False
    raise OSError(number, os.strerror(number), str(two))


def delete(path: Path) -> None:
    """Delete a folder, or a file or link in its place; nothing where there is nothing. Links are not followed."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
