"""A ZIP archive of images, read in place and without trusting it."""

from __future__ import annotations

import re
import stat
import threading
import zipfile
import zlib
from pathlib import Path

from ganforge.builtin.data.shelf import (
    MAX_BYTES,
    Bad,
    BadFile,
    Entry,
    Shelf,
    Unread,
    bounded,
    is_image,
    printable,
    too_large,
    why,
)
from ganforge.errors import DataError

UNREADABLE = (OSError, zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError, EOFError, ValueError)
SMALL, MOST_TIMES = 2**32, 200  # bytes that any archive may hold, and how many times its own size


class ZipShelf(Shelf):
    """A ZIP archive, read in place: nothing is ever extracted, archives inside it are ignored."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        try:
            self.archive = zipfile.ZipFile(path)
        except UNREADABLE as error:
            raise DataError(
                f"'{printable(str(path))}' is not a ZIP archive that can be read, or it is damaged: {why(error)}"
            ) from error
        self.lock = threading.Lock()
        self._weigh(path.stat().st_size)
        self.members: dict[str, zipfile.ZipInfo] = {}
        for member in self.archive.infolist():
            self._look(member)
        self.sort()

    def _weigh(self, stored: int) -> None:
        """Refuse an archive that unpacks to far more than images can be compressed."""
        unpacked = sum(member.file_size for member in self.archive.infolist())
        if unpacked > max(SMALL, MOST_TIMES * stored):
            raise DataError(
                f"'{printable(str(self.path))}' has {stored / 2**20:,.0f} MiB and claims to hold "
                f"{unpacked / 2**20:,.0f} MiB; no images are compressed {MOST_TIMES} times: it is damaged or a bomb"
            )

    def _look(self, member: zipfile.ZipInfo) -> None:
        name = member.filename.replace("\\", "/")  # some archivers for Windows write \
        if member.is_dir():
            return
        first = self.members.setdefault(name, member)
        if not is_image(name):
            self.ignored += 1
        elif name.startswith("/") or re.match("[A-Za-z]:", name) or ".." in name.split("/"):
            self.bad.append(Bad(name, "its path leaves the archive"))
        elif stat.S_ISLNK(member.external_attr >> 16):
            self.bad.append(Bad(name, "a symbolic link"))
        elif member.flag_bits & 1:
            self.bad.append(Bad(name, "encrypted"))
        elif first is not member:
            self.bad.append(Bad(name, "the archive holds this name twice; the first is used"))
        else:
            self.entries.append(Entry(name, member.file_size, member.CRC))

    def read(self, name: str, limit: int = MAX_BYTES) -> bytes:
        """Return the bytes of a file; `BadFile` where that fails or they are more than `limit`."""
        member = self.members[name]
        if member.file_size > limit:
            raise BadFile(too_large(limit))
        try:
            with self.lock, self.archive.open(member) as file:
                return bounded(file.read(limit + 1), limit)
        except UNREADABLE as error:
            raise Unread(f"damaged in the archive: {why(error)}") from error

    def holds(self, name: str) -> bool:
        """Say whether there is a file of this name."""
        return name in self.members

    def close(self) -> None:
        """Let go of the archive."""
        self.archive.close()
