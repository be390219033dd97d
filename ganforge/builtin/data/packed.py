"""Decoded images in one file: made once, mapped into memory afterwards."""

from __future__ import annotations

import fcntl
import json
import os
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ganforge.builtin.data.decoding import Channels, decode, natural_channels
from ganforge.builtin.data.shelf import Bad, BadFile, Entry, Shelf
from ganforge.errors import DataError

MAGIC = b"ganforge images 1\n"  # count up when the format changes
PORTION = 256  # images decoded before they are written


@dataclass(frozen=True)
class Packed:
    """What a file of decoded images holds.

    Args:
        pixels: [n, H, W, C] uint8, a read-only memory map.
        kept: [n] int64, which of the entries they are.
        bad: the other entries, and why.
    """

    pixels: np.ndarray
    kept: np.ndarray
    bad: tuple[Bad, ...]


def packed(shelf: Shelf, entries: Sequence[Entry], resolution: int, channels: Channels | None, file: Path) -> Packed:
    """Return the decoded entries, from `file` where it is whole, or else decode them into it.

    Processes that want the same file at once wait for the first of them. The file appears in one move, so that a
    killed process leaves none; one that is torn, or was made by something else, is made again.

    Args:
        shelf: where the entries lie.
        entries: what to decode, in this order.
        resolution: height and width.
        channels: 1, 3 or 4; None = those of the first image that can be read.
        file: whose name depends on the content of the entries and on the settings.
    """
    found = load(file, len(entries))
    if found is not None:
        return found
    try:
        with _locked(file.with_suffix(".lock")):
            if load(file, len(entries)) is None:
                draft = file.with_suffix(".tmp")
                _write(draft, shelf, entries, resolution, channels)
                os.replace(draft, file)
    except OSError as error:
        need = len(entries) * resolution**2 * (channels or 3) / 2**20
        raise DataError(
            f"cannot write the decoded images to '{file}': {error.strerror or error}; up to {need:,.0f} MiB are "
            "needed; make room there, or choose another folder for the cache"
        ) from error
    made = load(file, len(entries))
    if made is None:
        raise DataError(f"the decoded images were written to '{file}' and cannot be read back; is that disk damaged?")
    return made


def load(file: Path, total: int) -> Packed | None:
    """Return what `file` holds of `total` entries; None where there is none, or not a whole one."""
    try:
        with file.open("rb") as stream:
            size = stream.seek(0, os.SEEK_END)
            stream.seek(max(size - len(MAGIC) - 8, 0))
            end = stream.read()
            length = int.from_bytes(end[:8], "little")
            if end[8:] != MAGIC or length > size - len(end):
                return None
            stream.seek(size - len(end) - length)
            tail = json.loads(stream.read(length))
        shape = tuple(int(side) for side in tail["shape"])
        bad = tuple(Bad(str(name), str(reason)) for name, reason in tail["bad"])
        kept = np.setdiff1d(np.arange(total), np.array(tail["missing"], np.int64))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, LookupError, RecursionError):
        return None  # torn or foreign: the caller makes it again
    if len(shape) != 4 or size != int(np.prod(shape)) + length + len(end) or len(kept) != shape[0]:
        return None
    pixels = np.memmap(file, np.uint8, "r", shape=shape) if shape[0] else np.empty(shape, np.uint8)
    return Packed(pixels, kept, bad)


def _write(draft: Path, shelf: Shelf, entries: Sequence[Entry], resolution: int, channels: Channels | None) -> None:
    """Write pixels, then a tail that says what they are; a file without its tail is not whole."""
    bad: list[Bad] = []
    missing: list[int] = []
    depth = channels or _first_channels(shelf, entries)
    with draft.open("wb") as stream:
        for index, result in enumerate(_decoded(shelf, entries, resolution, depth)):
            if isinstance(result, Bad):
                bad.append(result)
                missing.append(index)
            else:
                stream.write(result.tobytes())
        shape = (len(entries) - len(bad), resolution, resolution, depth)
        names = [[item.name, item.reason] for item in bad]
        tail = json.dumps({"shape": shape, "missing": missing, "bad": names}).encode()
        stream.write(tail + len(tail).to_bytes(8, "little") + MAGIC)
        stream.flush()
        os.fsync(stream.fileno())


def _decoded(shelf: Shelf, entries: Sequence[Entry], resolution: int, channels: Channels) -> Iterator[np.ndarray | Bad]:
    """Yield every entry decoded, or why not, in order; a few threads decode ahead."""

    def one(entry: Entry) -> np.ndarray | Bad:
        try:
            return decode(shelf.read(entry.name), resolution, channels)
        except BadFile as error:
            return Bad(entry.name, str(error))

    with warnings.catch_warnings(), ThreadPoolExecutor(min(os.cpu_count() or 1, 16)) as pool:
        warnings.simplefilter("ignore")  # Pillow warns of what is decided here: large images, odd palettes
        for start in range(0, len(entries), PORTION):
            yield from pool.map(one, entries[start : start + PORTION])


def _first_channels(shelf: Shelf, entries: Sequence[Entry]) -> Channels:
    for entry in entries:
        try:
            return natural_channels(shelf.read(entry.name))
        except BadFile:
            continue  # it is named when it is decoded
    return 3


@contextmanager
def _locked(file: Path) -> Iterator[None]:
    with file.open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield  # closing the file unlocks it
