"""A ZIP archive of images, read in place and without trusting it."""

from __future__ import annotations

import os
import stat
import threading
import time
import zipfile
import zlib
from functools import cached_property
from pathlib import Path

import numpy as np

from ganforge.api import BadImageError, DataError
from ganforge.builtin.data.files.image_files import (
    MAX_IMAGE_BYTES,
    BadImage,
    ImageEntry,
    ImageFiles,
    UnreadableFileError,
    check_size,
    is_image,
    reason_in,
)
from ganforge.builtin.data.files.index import DAMAGE, file_stamp, is_settled, load_index, save_index
from ganforge.builtin.data.sources.pixels import digest

UNREADABLE = (OSError, zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError, EOFError, ValueError)
MAX_UNPACKED, MAX_RATIO = 2**32, 200  # bytes that any archive may unpack to, and how many times its own size
INDEXED_FROM = 1_000  # images from which on an index is worth a file
INDEX_VERSION = 1  # count up when the index has another form, or something else is found in an archive


class ImageArchive(ImageFiles):
    """A ZIP archive, read in place: nothing is ever extracted, archives inside it are ignored.

    Args:
        path: of the archive.
        cache: the folder for the index of a large one: a directory of a million names is not read at every start.
    """

    def __init__(self, path: Path, cache: Path) -> None:
        super().__init__(path)
        self._lock = threading.Lock()
        self._others: set[str] = set()  # files at the top that are no images
        status = path.stat()
        index, stamp = cache / f"archive-{digest(os.fsencode(path.resolve()))}.json.gz", file_stamp(status)
        if not self._load(index, stamp):
            for member in self._zip.infolist():
                self._add(member)
            self.sort()
            if len(self.entries) >= INDEXED_FROM and is_settled(status, time.time()):
                self._save(index, stamp)

    def _load(self, index: Path, stamp: list[int]) -> bool:
        """Say whether it is known what is in the archive, which is as it was then."""
        try:
            found = load_index(index)
            if found["version"] != INDEX_VERSION or found["stamp"] != stamp:
                return False
            sizes, crcs = (np.array(found[column], np.int64).tolist() for column in ("sizes", "crcs"))
            entries = list(map(ImageEntry._make, zip(map(str, found["names"]), sizes, crcs, strict=True)))
            bad = [BadImage(str(name), str(reason)) for name, reason in found["bad"]]
            others, ignored = set(map(str, found["others"])), int(found["ignored"])
        except (OSError, *DAMAGE):
            return False  # the archive itself is read
        self.entries, self.bad, self._others, self.ignored = entries, bad, others, ignored
        return True

    def _save(self, index: Path, stamp: list[int]) -> None:
        content = {
            "version": INDEX_VERSION,
            "stamp": stamp,
            "names": [entry.name for entry in self.entries],
            "sizes": [entry.size for entry in self.entries],
            "crcs": [entry.crc for entry in self.entries],
            "bad": [[bad.name, bad.reason] for bad in self.bad],
            "others": sorted(self._others),
            "ignored": self.ignored,
        }
        save_index(index, content)

    @cached_property
    def _zip(self) -> zipfile.ZipFile:
        """The archive, whose directory was read; refused where it unpacks to far more than images can be compressed."""
        try:
            archive = zipfile.ZipFile(self.path)
        except UNREADABLE as error:
            raise DataError(
                f"'{self.path}' is not a ZIP archive that can be read, or it is damaged: {reason_in(error)}"
            ) from error
        stored, unpacked = self.path.stat().st_size, sum(member.file_size for member in archive.infolist())
        if unpacked > max(MAX_UNPACKED, MAX_RATIO * stored):
            raise DataError(
                f"'{self.path}' has {stored / 2**20:,.0f} MiB and claims to hold {unpacked / 2**20:,.0f} MiB; no "
                f"images are compressed {MAX_RATIO} times: it is damaged or a bomb"
            )
        return archive

    @cached_property
    def _members(self) -> dict[str, zipfile.ZipInfo]:
        """The files by name; of those of one name, the first."""
        return {_name_of(member): member for member in reversed(self._zip.infolist()) if not member.is_dir()}

    def _add(self, member: zipfile.ZipInfo) -> None:
        """Note a member by its name: whether it is an image that can be used."""
        name = _name_of(member)
        if member.is_dir():
            return
        if not is_image(name):
            self.ignored += 1
            if "/" not in name:
                self._others.add(name)
        elif name[0] == "/" or name[1] == ":" or (".." in name and ".." in name.split("/")):
            self.bad.append(BadImage(name, "its path leaves the archive"))
        elif stat.S_ISLNK(member.external_attr >> 16):
            self.bad.append(BadImage(name, "a symbolic link"))
        elif member.flag_bits & 1:
            self.bad.append(BadImage(name, "encrypted"))
        elif self._members[name] is not member:
            self.bad.append(BadImage(name, "the archive holds this name twice; the first is used"))
        else:
            self.entries.append(ImageEntry(name, member.file_size, member.CRC))

    def read(self, name: str, limit: int = MAX_IMAGE_BYTES) -> bytes:
        """Return the bytes of a file; `BadImageError` where that fails or they are more than `limit`."""
        with self._lock:
            member = self._members.get(name)
        if member is None:
            raise UnreadableFileError("it is not in the archive any more")
        check_size(member.file_size, limit)
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise BadImageError("compressed by another method than deflate, which nothing bounds")
        try:
            with self._lock, self._zip.open(member) as file:
                return file.read(member.file_size + 1)  # no more is unpacked than is asked for
        except UNREADABLE as error:
            raise UnreadableFileError(f"damaged in the archive: {reason_in(error)}") from error

    def has(self, name: str) -> bool:
        """Say whether there is a file of this name at the top, beside the images."""
        return name in self._others

    def close(self) -> None:
        """Let go of the archive."""
        if "_zip" in vars(self):
            self._zip.close()


def _name_of(member: zipfile.ZipInfo) -> str:
    return member.filename.replace("\\", "/")  # some archivers for Windows write \
