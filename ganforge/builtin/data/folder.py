"""A folder of images, read without following links out of it."""

from __future__ import annotations

import os
import stat
import zlib
from pathlib import Path

from ganforge.api import BadFile
from ganforge.builtin.data.shelf import MAX_BYTES, Bad, Entry, Shelf, Unread, bounded, is_image, why
from ganforge.builtin.data.stamps import Stamps


class FolderShelf(Shelf):
    """A folder and its sub-folders. Links that leave it, and links to folders, are not followed."""

    def __init__(self, path: Path, stamps: Stamps) -> None:
        super().__init__(path)
        self.root = path.resolve()
        folders = [""]  # by their names below the root, each with a / at its end
        while folders:
            inside = folders.pop()
            try:
                with os.scandir(self.root / inside) as found:
                    for entry in found:
                        name = inside + entry.name
                        if entry.is_dir(follow_symlinks=False):
                            folders.append(name + "/")
                        elif entry.is_symlink() and os.path.isdir(entry.path):
                            self.bad.append(Bad(name, "a symbolic link to a folder"))
                        else:
                            self._look(name, entry, stamps)
            except OSError as error:
                self.bad.append(Bad(inside.rstrip("/") or ".", f"a folder that cannot be read: {why(error)}"))
        stamps.save()
        self.sort()

    def _look(self, name: str, entry: os.DirEntry[str], stamps: Stamps) -> None:
        if not is_image(name):
            self.ignored += 1
            return
        try:
            if entry.is_symlink() and not (self.root / name).resolve().is_relative_to(self.root):
                raise BadFile("a symbolic link that leaves the folder")
            status = entry.stat()
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
            raise Unread(why(error)) from error

    def holds(self, name: str) -> bool:
        """Say whether there is a file of this name."""
        return (self.root / name).is_file()
