"""Decoded images in one file: made once, mapped into memory afterwards."""

from __future__ import annotations

import fcntl
import logging
import os
import time
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import numpy as np

from ganforge.builtin.data.decoding import Channels, decode, natural_channels
from ganforge.builtin.data.packfile import Packed, Writer, load
from ganforge.builtin.data.shelf import Bad, BadFile, Entry, Shelf, Unread
from ganforge.errors import DataError

PORTION, AHEAD = 256, 2**27  # images, and bytes of them, that are decoded before they are written
TASK = 16  # images that a thread takes on at once
PATIENCE = 10.0  # seconds until a wait for another process is said
_log = logging.getLogger(__name__)


def packed(shelf: Shelf, entries: Sequence[Entry], resolution: int, channels: Channels | None, file: Path) -> Packed:
    """Return the decoded entries, from `file` where it is whole, or else decode them into it.

    Processes that want the same file at once wait for the first of them. The file appears in one move, so that a
    killed process leaves none; one that is torn or damaged, or was made by something else, is made again, and so is one
    without images that could not be read then and can be now.

    Args:
        shelf: where the entries lie.
        entries: what to decode, in this order.
        resolution: height and width.
        channels: 1, 3 or 4; None = those of the first image that can be read.
        file: whose name depends on the content of the entries and on the settings.
    """
    found = _current(shelf, entries, file, resolution, channels)
    if found is not None:
        return found
    try:
        with _locked(file.with_suffix(".lock")):
            if _current(shelf, entries, file, resolution, channels) is None:
                draft = file.with_suffix(".tmp")
                _write(draft, shelf, entries, resolution, channels)
                os.replace(draft, file)
    except OSError as error:
        need = len(entries) * resolution**2 * (channels or 3) / 2**20
        raise DataError(
            f"cannot write the decoded images to '{file}': {error.strerror or error}; up to {need:,.0f} MiB are "
            "needed; make room there, or choose another folder for the cache"
        ) from error
    made = load(file, len(entries), resolution, channels)
    if made is None:
        raise DataError(f"the decoded images were written to '{file}' and cannot be read back; is that disk damaged?")
    return made


def _current(
    shelf: Shelf, entries: Sequence[Entry], file: Path, resolution: int, channels: Channels | None
) -> Packed | None:
    """Return what `file` holds, unless images that could not be read when it was made can be read now."""
    found = load(file, len(entries), resolution, channels)
    back = found is not None and any(_can_be_read(shelf, entries[index]) for index in found.unread)
    return None if back else found


def _can_be_read(shelf: Shelf, entry: Entry) -> bool:
    try:
        shelf.fetch(entry)
    except BadFile:
        return False
    return True


def _write(draft: Path, shelf: Shelf, entries: Sequence[Entry], resolution: int, channels: Channels | None) -> None:
    """Write pixels, then what they are."""
    bad: list[Bad] = []
    missing: list[int] = []
    unread: list[int] = []
    depth = channels or _first_channels(shelf, entries)
    with Writer(draft) as writer:
        for index, result in enumerate(_decoded(shelf, entries, resolution, depth)):
            if isinstance(result, BadFile):
                bad.append(Bad(entries[index].name, str(result)))
                missing.append(index)
                unread += [index] if isinstance(result, Unread) else []
            else:
                writer.put(result)
        writer.finish((resolution, resolution, depth), missing, unread, bad)


def _decoded(
    shelf: Shelf, entries: Sequence[Entry], resolution: int, channels: Channels
) -> Iterator[np.ndarray | BadFile]:
    """Yield every entry decoded, or why not, in order; a few threads decode ahead."""

    def one(entry: Entry) -> np.ndarray | BadFile:
        try:
            return decode(shelf.fetch(entry), resolution, channels)
        except BadFile as error:
            return error.with_traceback(None)  # which would keep the image in memory

    def several(some: Sequence[Entry]) -> list[np.ndarray | BadFile]:
        return [one(entry) for entry in some]

    portion = min(max(AHEAD // (resolution**2 * channels), 1), PORTION)
    with warnings.catch_warnings(), ThreadPoolExecutor(min(os.cpu_count() or 1, 16)) as pool:
        warnings.simplefilter("ignore")  # Pillow warns of what is decided here: large images, odd palettes
        for start in range(0, len(entries), portion):
            due = entries[start : start + portion]
            for done in pool.map(several, [due[at : at + TASK] for at in range(0, len(due), TASK)]):
                yield from done


def _first_channels(shelf: Shelf, entries: Sequence[Entry]) -> Channels:
    for entry in entries:
        try:
            return natural_channels(shelf.fetch(entry))
        except BadFile:
            continue  # it is named when it is decoded
    return 3


@contextmanager
def _locked(file: Path) -> Iterator[None]:
    with file.open("w") as stream:
        _wait_for(stream, file)
        yield  # closing the file unlocks it


def _wait_for(stream: TextIO, file: Path) -> None:
    """Wait for other processes to let go of a lock file; a wait that lasts is said, once."""
    began, said = time.monotonic(), False
    while True:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not said and time.monotonic() - began >= PATIENCE:
                _log.warning("another process is decoding the same images; waiting for it to finish ('%s')", file)
                said = True
            time.sleep(0.05)
        else:
            return
