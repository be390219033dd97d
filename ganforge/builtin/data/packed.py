"""Decoded images in one file: made once, mapped into memory afterwards."""

from __future__ import annotations

import fcntl
import logging
import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import numpy as np

from ganforge.api import BadFile, Channels, DataError, Decoders
from ganforge.builtin.data.packfile import Packed, Writer, load
from ganforge.builtin.data.shelf import Bad, Entry, Shelf, Unread

PORTION, AHEAD = 256, 2**27  # images, and bytes of them, that are decoded before they are written
TASK = 16  # images that a thread takes on at once
DECODERS, EACH = 16, 64  # processes that decode, at most, and images for which it is worth to start one more
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
    count = max(min(os.cpu_count() or 1, DECODERS, len(entries) // EACH), 1)
    with Writer(draft) as writer, Decoders(count) as decoders:
        depth = channels or _first_channels(shelf, entries, decoders)
        for index, result in enumerate(_decoded(shelf, entries, decoders, resolution, depth)):
            if isinstance(result, BadFile):
                bad.append(Bad(entries[index].name, str(result)))
                missing.append(index)
                unread += [index] if isinstance(result, Unread) else []
            else:
                writer.put(result)
        writer.finish((resolution, resolution, depth), missing, unread, bad)


def _decoded(
    shelf: Shelf, entries: Sequence[Entry], decoders: Decoders, resolution: int, channels: Channels
) -> Iterator[np.ndarray | BadFile]:
    """Yield every entry decoded, or why not, in order; each decoder has a thread, which reads the files."""

    def several(some: Sequence[Entry]) -> list[np.ndarray | BadFile]:
        found: list[np.ndarray | BadFile] = []
        with decoders.one() as decoder:
            for entry in some:
                try:
                    found.append(decoder.decode(shelf.fetch(entry), resolution, channels))
                except BadFile as error:
                    found.append(error.with_traceback(None))  # which would keep the image in memory
        return found

    portion = min(max(AHEAD // (resolution**2 * channels), 1), PORTION)
    with ThreadPoolExecutor(len(decoders)) as pool:
        for start in range(0, len(entries), portion):
            due = entries[start : start + portion]
            try:
                for done in pool.map(several, [due[at : at + TASK] for at in range(0, len(due), TASK)]):
                    yield from done
            except BaseException:  # Ctrl-C, a full disk: nobody waits for a decoder that is at work
                decoders.stop()
                raise


def _first_channels(shelf: Shelf, entries: Sequence[Entry], decoders: Decoders) -> Channels:
    with decoders.one() as decoder:
        for entry in entries:
            try:
                return decoder.head(shelf.fetch(entry)).channels
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
