"""A folder of images, read without following links out of it."""

from __future__ import annotations

import os
import posixpath
import stat
import zlib
from pathlib import Path

from ganforge.builtin.data.shelf import MAX_BYTES, Bad, BadFile, Entry, Shelf, bounded, is_image, why
from ganforge.builtin.data.stamps import Stamps


class FolderShelf(Shelf):
    """A folder and its sub-folders. Links that leave it, and links to folders, are not followed."""

    def __init__(self, path: Path, stamps: Stamps) -> None:
        super().__init__(path)
        self.root = path.resolve()
        for folder, folders, files in os.walk(self.root, onerror=self._closed):
            inside = os.path.relpath(folder, self.root).replace(os.sep, "/")
            for name in sorted(folders):
                if os.path.islink(os.path.join(folder, name)):
                    self.bad.append(Bad(posixpath.normpath(f"{inside}/{name}"), "a symbolic link to a folder"))
            for name in files:
                self._look(posixpath.normpath(f"{inside}/{name}"), stamps)
        stamps.save()
        self.sort()

    def _closed(self, error: OSError) -> None:
        inside = os.path.relpath(str(error.filename), self.root).replace(os.sep, "/")
        self.bad.append(Bad(inside, f"a folder that cannot be read: {error.strerror}"))

    def _look(self, name: str, stamps: Stamps) -> None:
        if not is_image(name):
            self.ignored += 1
            return
        place = self.root / name
        try:
            if not place.resolve().is_relative_to(self.root):
                raise BadFile("a symbolic link that leaves the folder")
            status = place.stat()
            if not stat.S_ISREG(status.st_mode):
                raise BadFile("not a regular file")
            crc = stamps.known(name, status)
            if crc is None:
                crc = zlib.crc32(self.read(name))
                stamps.note(name, status, crc)
            self.entries.append(Entry(name, status.st_size, crc))
        except BadFile as error:
            self.bad.append(Bad(name, str(error)))
        except (OSError, RuntimeError) as error:  # RuntimeError: a link to itself, before Python 3.13
            self.bad.append(Bad(name, why(error)))

    def read(self, name: str, limit: int = MAX_BYTES) -> bytes:
        """Return the bytes of a file; `BadFile` where that fails or they are more than `limit`."""
        try:
            with (self.root / name).open("rb") as file:
                return bounded(file.read(limit + 1), limit)
        except OSError as error:
            raise BadFile(why(error)) from error

    def holds(self, name: str) -> bool:
        """Say whether there is a file of this name."""
        return (self.root / name).is_file()
