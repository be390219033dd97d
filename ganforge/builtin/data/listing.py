"""What was found in an archive the last time, so that a directory of a million names is not read at every start."""

from __future__ import annotations

import json
import os
import tempfile
import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ganforge.api import printable
from ganforge.builtin.data.pixels import digest
from ganforge.builtin.data.shelf import Bad, Entry
from ganforge.builtin.data.stamps import FRESH

MAGIC = b"ganforge listing 1\n"  # count up when the form changes, or what is found in an archive
WORTH = 1_000  # images from which on it is worth a file
_HEAD = len(MAGIC) + 12  # the checksum of what follows, and how long its words are


@dataclass(frozen=True)
class Listing:
    """The images in an archive, those that cannot be used, and how many other files there are.

    Args:
        entries: in the order of their names.
        bad: in the order of their names.
        ignored: how many files are no images.
        tops: names of those at the top.
    """

    entries: list[Entry]
    bad: list[Bad]
    ignored: int
    tops: frozenset[str]


def place(cache: Path, archive: Path) -> Path:
    """Return the file for the listing of an archive."""
    return cache / f"listing-{digest(os.fsencode(archive.resolve()))}"


def recall(file: Path, status: os.stat_result) -> Listing | None:
    """Return what was found in an archive that is as it was; None where it is not, or nothing whole was kept."""
    try:
        data = file.read_bytes()
        words = int.from_bytes(data[len(MAGIC) + 4 : _HEAD], "little")
        if data[: len(MAGIC)] != MAGIC or zlib.crc32(data[_HEAD - 8 :]) != int.from_bytes(
            data[_HEAD - 12 : _HEAD - 8], "little"
        ):
            return None
        told = json.loads(data[_HEAD : _HEAD + words])
        if told["stamp"] != _stamp(status):
            return None
        count, rest = int(told["count"]), data[_HEAD + words :]
        sizes, crcs = np.frombuffer(rest, "<i8", count), np.frombuffer(rest, "<u4", count, 8 * count)
        names = rest[12 * count :].decode(errors="surrogatepass").split("\0")
        entries = list(map(Entry, names[:count], sizes.tolist(), crcs.tolist()))
        if len(entries) != count:
            return None
        bad = [Bad(str(name), printable(str(reason))) for name, reason in told["bad"]]
        return Listing(entries, bad, int(told["ignored"]), frozenset(map(str, told["tops"])))
    except (OSError, ValueError, TypeError, LookupError, ArithmeticError, RecursionError):
        return None  # the archive itself is read


def keep(file: Path, status: os.stat_result, found: Listing) -> None:
    """Keep what was found, at once or not at all, unless there is little of it or the archive is being written."""
    if len(found.entries) < WORTH or max(status.st_mtime, status.st_ctime) > time.time() - FRESH:
        return
    told = {
        "stamp": _stamp(status),
        "count": len(found.entries),
        "ignored": found.ignored,
        "tops": sorted(found.tops),
        "bad": [[bad.name, bad.reason] for bad in found.bad],
    }
    words = json.dumps(told).encode()
    columns = [
        np.array(column, kind).tobytes() for column, kind in zip(_columns(found.entries), ("<i8", "<u4"), strict=True)
    ]
    names = "\0".join(entry.name for entry in found.entries).encode(errors="surrogatepass")
    rest = len(words).to_bytes(8, "little") + words + b"".join(columns) + names
    handle, draft = tempfile.mkstemp(dir=file.parent, prefix="listing-", suffix=".tmp")
    with os.fdopen(handle, "wb") as stream:
        stream.write(MAGIC + zlib.crc32(rest).to_bytes(4, "little") + rest)
    os.replace(draft, file)


def _columns(entries: Sequence[Entry]) -> tuple[list[int], list[int]]:
    return [entry.size for entry in entries], [entry.crc for entry in entries]


def _stamp(status: os.stat_result) -> list[int]:
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]
