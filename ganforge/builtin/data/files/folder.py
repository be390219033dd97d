"""A folder of images, read without following links out of it."""

from __future__ import annotations

import os
import stat
import zlib
from pathlib import Path

from ganforge.api import BadImageError
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
from ganforge.builtin.data.files.index import FolderChecksums


class ImageFolder(ImageFiles):
    """A folder and its sub-folders. Links that leave it, and links to folders, are not followed.

    Args:
        path: of the folder.
        cache: the folder where checksums of its files are remembered.
    """

    def __init__(self, path: Path, cache: Path) -> None:
        super().__init__(path)
        self.root = path.resolve()
        checksums = FolderChecksums(cache, self.root)
        folders = [""]  # by their names below the root, each with a / at its end
        while folders:
            folder = folders.pop()
            try:
                with os.scandir(self.root / folder) as found:
                    for entry in found:
                        name = folder + entry.name
                        if entry.is_dir(follow_symlinks=False):
                            folders.append(name + "/")
                        elif entry.is_symlink() and os.path.isdir(entry.path):
                            self.bad.append(BadImage(name, "a symbolic link to a folder"))
                        elif is_image(name):
                            self._add(name, entry, checksums)
                        else:
                            self.ignored += 1
            except OSError as error:
                reason = f"a folder that cannot be read: {reason_in(error)}"
                self.bad.append(BadImage(folder.rstrip("/") or ".", reason))
        checksums.save()
        self.sort()

    def _add(self, name: str, entry: os.DirEntry[str], checksums: FolderChecksums) -> None:
        try:
            if entry.is_symlink() and not (self.root / name).resolve().is_relative_to(self.root):
                raise BadImageError("a symbolic link that leaves the folder")
            status = entry.stat()
            if not stat.S_ISREG(status.st_mode):
                raise BadImageError("not a regular file")
            crc = checksums.get(name, status)
            if crc is None:
                crc = zlib.crc32(self.read(name))
                checksums.put(name, status, crc)
            self.entries.append(ImageEntry(name, status.st_size, crc))
        except (BadImageError, OSError, RuntimeError) as error:  # RuntimeError: a link to itself, before Python 3.13
            self.bad.append(BadImage(name, reason_in(error)))

    def read(self, name: str, limit: int = MAX_IMAGE_BYTES) -> bytes:
        """Return the bytes of a file; `BadImageError` where that fails or they are more than `limit`."""
        try:
            with (self.root / name).open("rb") as file:
                data = file.read(limit + 1)
        except OSError as error:
            raise UnreadableFileError(reason_in(error)) from error
        check_size(len(data), limit)
        return data

    def has(self, name: str) -> bool:
        """Say whether there is a file of this name."""
        return (self.root / name).is_file()
