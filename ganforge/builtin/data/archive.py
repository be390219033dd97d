"""A ZIP archive of images, read in place and without trusting it."""

from __future__ import annotations

import stat
import threading
import zipfile
import zlib
from pathlib import Path

from ganforge.api import BadFile, DataError, printable
from ganforge.builtin.data import listing
from ganforge.builtin.data.listing import Listing
from ganforge.builtin.data.shelf import (
    MAX_BYTES,
    Bad,
    Entry,
    Shelf,
    Unread,
    bounded,
    is_image,
    too_large,
    why,
)

UNREADABLE = (OSError, zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError, EOFError, ValueError)
SMALL, MOST_TIMES = 2**32, 200  # bytes that any archive may hold, and how many times its own size


class ZipShelf(Shelf):
    """A ZIP archive, read in place: nothing is ever extracted, archives inside it are ignored."""

    def __init__(self, path: Path, listings: Path | None = None) -> None:
        """Open an archive; what is in a large one is remembered in the folder `listings`."""
        super().__init__(path)
        self.lock = threading.Lock()
        self._archive: zipfile.ZipFile | None = None
        self._members: dict[str, zipfile.ZipInfo] = {}
        self._tops: set[str] | frozenset[str] = set()
        status = path.stat()
        file = None if listings is None else listing.place(listings, path)
        known = None if file is None else listing.recall(file, status)
        if known is None:
            self._open()
            self.sort()
            if file is not None:
                listing.keep(file, status, Listing(self.entries, self.bad, self.ignored, frozenset(self._tops)))
        else:
            self.entries, self.bad, self.ignored, self._tops = known.entries, known.bad, known.ignored, known.tops

    def _open(self) -> dict[str, zipfile.ZipInfo]:
        """Return what the archive holds by name, having read its directory."""
        if self._archive is None:
            fresh = not self.entries and not self.bad
            try:
                self._archive = zipfile.ZipFile(self.path)
            except UNREADABLE as error:
                raise DataError(
                    f"'{printable(str(self.path))}' is not a ZIP archive that can be read, or it is damaged: "
                    f"{why(error)}"
                ) from error
            self._weigh(self._archive, self.path.stat().st_size)
            for member in self._archive.infolist():
                self._look(member, fresh=fresh)
        return self._members

    def _weigh(self, archive: zipfile.ZipFile, stored: int) -> None:
        """Refuse an archive that unpacks to far more than images can be compressed."""
        unpacked = sum(member.file_size for member in archive.infolist())
        if unpacked > max(SMALL, MOST_TIMES * stored):
            raise DataError(
                f"'{printable(str(self.path))}' has {stored / 2**20:,.0f} MiB and claims to hold "
                f"{unpacked / 2**20:,.0f} MiB; no images are compressed {MOST_TIMES} times: it is damaged or a bomb"
            )

    def _look(self, member: zipfile.ZipInfo, *, fresh: bool) -> None:
        """Note a member by its name; in a `fresh` archive, whether it is an image that can be used."""
        name = member.filename.replace("\\", "/")  # some archivers for Windows write \
        if member.is_dir():
            return
        first = self._members.setdefault(name, member)
        if not fresh:
            return
        if not is_image(name):
            self.ignored += 1
            if "/" not in name:
                self._tops.add(name)  # type: ignore[union-attr]
        elif name[0] == "/" or name[1] == ":" or (".." in name and ".." in name.split("/")):
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
        with self.lock:
            member, archive = self._open().get(name), self._archive
        if member is None or archive is None:
            raise Unread("it is not in the archive any more")
        if member.file_size > limit:
            raise BadFile(too_large(limit))
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise BadFile("compressed by another method than deflate, which nothing bounds")
        try:
            with self.lock, archive.open(member) as file:  # `zipfile` unpacks as much as it is asked for
                return bounded(file.read(member.file_size + 1), limit)
        except UNREADABLE as error:
            raise Unread(f"damaged in the archive: {why(error)}") from error

    def holds(self, name: str) -> bool:
        """Say whether there is a file of this name at the top, beside the images."""
        return name in self._tops

    def close(self) -> None:
        """Let go of the archive."""
        if self._archive is not None:
            self._archive.close()
