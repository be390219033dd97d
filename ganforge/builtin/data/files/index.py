"""Indexes in the cache: what was found in files the last time, as JSON in gzip, whose CRC-32 finds damage."""

from __future__ import annotations

import gzip
import json
import os
import tempfile
import time
import zlib
from pathlib import Path
from typing import Any

from ganforge.builtin.data.sources.pixels import digest

MAX_INDEX_BYTES = 2**30  # unpacked
SETTLED = 2.0  # seconds: a file changed more recently may change again under the same time stamp
DAMAGE = (  # what reading an index, and what looking for something in it, raise where it is damaged or foreign
    gzip.BadGzipFile,
    zlib.error,
    EOFError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    RecursionError,
)


def save_index(file: Path, content: object) -> None:
    """Write what JSON can hold, at once or not at all."""
    packed = gzip.compress(json.dumps(content).encode(), 1, mtime=0)
    handle, draft = tempfile.mkstemp(dir=file.parent, prefix=file.name, suffix=".tmp")
    with os.fdopen(handle, "wb") as stream:
        stream.write(packed)
    os.replace(draft, file)


def load_index(file: Path) -> Any:
    """Return what was saved; one of `DAMAGE` or an `OSError` where there is nothing whole."""
    with gzip.open(file) as stream:
        data = stream.read(MAX_INDEX_BYTES + 1)
    if len(data) > MAX_INDEX_BYTES:
        raise ValueError("the index is too large")
    return json.loads(data)


def file_stamp(status: os.stat_result) -> list[int]:
    """Return what changes when a file does."""
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]


def is_settled(status: os.stat_result, now: float) -> bool:
    """Say whether a file was left alone for so long that another change would change its stamp."""
    return max(status.st_mtime, status.st_ctime) <= now - SETTLED


class FolderChecksums:
    """CRC-32 of the files below a folder by name, size and time of change, so that opening it again reads none.

    Args:
        cache: the folder to remember them in.
        root: the folder they are of.
    """

    def __init__(self, cache: Path, root: Path) -> None:
        self.file = cache / f"folder-{digest(os.fsencode(root))}.json.gz"
        self.began = time.time()
        self.old: dict[str, list[int]] = {}
        self.new: dict[str, list[int]] = {}
        try:
            found = load_index(self.file)
            if all(len(row) == 5 and all(type(number) is int for number in row) for row in found.values()):
                self.old = found
        except (OSError, AttributeError, *DAMAGE):
            pass  # there is none, or it is damaged: all files are read again

    def get(self, name: str, status: os.stat_result) -> int | None:
        """Return the checksum of a file, or None where it must be read."""
        row = self.old.get(name)
        if row is None or row[:4] != file_stamp(status):
            return None
        self.new[name] = row
        return row[4]

    def put(self, name: str, status: os.stat_result, crc: int) -> None:
        """Remember the checksum of a file whose `status` was taken before it was read."""
        if is_settled(status, self.began):
            self.new[name] = [*file_stamp(status), crc]

    def save(self) -> None:
        """Write what is known, where that is news."""
        if self.new != self.old:
            save_index(self.file, self.new)
