"""Checksums of files that have not changed since they were last read."""

from __future__ import annotations

import json
import os
import tempfile
import time
from pathlib import Path

from ganforge.builtin.data.pixels import digest

FRESH = 2.0  # seconds: a file changed this recently may change again under the same time stamp


class Stamps:
    """CRC-32 of the files below a folder by name, size and time of change, so that opening it again reads none.

    Args:
        cache: the folder to remember them in.
        root: the folder they are of.
    """

    def __init__(self, cache: Path, root: Path) -> None:
        self.file = cache / f"stamps-{digest(os.fsencode(root))}.json"
        self.began = time.time()
        self.old: dict[str, list[int]] = self._load()
        self.new: dict[str, list[int]] = {}

    def _load(self) -> dict[str, list[int]]:
        try:
            found = json.loads(self.file.read_bytes())
        except (OSError, ValueError, RecursionError):
            return {}  # there is none, or it is damaged: all files are read again
        valid = isinstance(found, dict) and all(
            isinstance(row, list) and len(row) == 5 and all(isinstance(number, int) for number in row)
            for row in found.values()
        )
        return found if valid else {}

    def known(self, name: str, status: os.stat_result) -> int | None:
        """Return the checksum of a file, or None where it must be read."""
        row = self.old.get(name)
        if row is None or row[:4] != _stamp(status):
            return None
        self.new[name] = row
        return row[4]

    def note(self, name: str, status: os.stat_result, crc: int) -> None:
        """Remember the checksum of a file whose `status` was taken before it was read."""
        if max(status.st_mtime, status.st_ctime) < self.began - FRESH:
            self.new[name] = [*_stamp(status), crc]

    def save(self) -> None:
        """Write what is known, at once or not at all."""
        if self.new != self.old:
            handle, name = tempfile.mkstemp(dir=self.file.parent, prefix="stamps-", suffix=".tmp")
            with os.fdopen(handle, "w") as file:
                json.dump(self.new, file)
            os.replace(name, self.file)


def _stamp(status: os.stat_result) -> list[int]:
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]
