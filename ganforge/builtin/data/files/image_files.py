"""Image files that lie together: what a folder and a ZIP archive have in common."""

from __future__ import annotations

import zlib
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Self

from ganforge.api import BadImageError, printable

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
MAX_IMAGE_BYTES = 128 * 2**20  # of one encoded image


class ImageEntry(NamedTuple):  # there may be millions
    """One image file: its name below the folder or in the archive, size in bytes and CRC-32 of its bytes."""

    name: str
    size: int
    crc: int


@dataclass(frozen=True)
class BadImage:
    """One file that cannot be used, and why."""

    name: str
    reason: str

    def __str__(self) -> str:
        return printable(f"{self.name} ({self.reason})")


class UnreadableFileError(BadImageError):
    """The bytes of a file cannot be had, or are not those that were there: it may come back."""


class ImageFiles(ABC):
    """Image files in the order of their names, those that cannot even be opened, and how many files were ignored."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.entries: list[ImageEntry] = []
        self.bad: list[BadImage] = []
        self.ignored = 0

    @abstractmethod
    def read(self, name: str, limit: int = MAX_IMAGE_BYTES) -> bytes:
        """Return the bytes of a file; `BadImageError` where that fails or they are more than `limit`."""

    @abstractmethod
    def has(self, name: str) -> bool:
        """Say whether there is a file of this name at the top, beside the images."""

    def read_image(self, entry: ImageEntry) -> bytes:
        """Return the bytes of an image; `UnreadableFileError` where they are not, or no longer what they were."""
        data = self.read(entry.name)
        if zlib.crc32(data) != entry.crc:
            raise UnreadableFileError("it changed while the data were opened")
        return data

    def sort(self) -> None:
        """Bring everything into the order of its names."""
        self.entries.sort(key=lambda entry: entry.name)
        self.bad.sort(key=lambda bad: bad.name)

    def close(self) -> None:  # noqa: B027 (a folder has nothing to let go of)
        """Let go of the archive."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def is_image(name: str) -> bool:
    """Say whether a name (with /) is that of an image file, and not hidden nor one of macOS's shadows."""
    if not name.lower().endswith(SUFFIXES) or name.startswith("__MACOSX/"):
        return False
    dotted = name[0] == "." or "/." in name
    return not (dotted and any(part.startswith(".") and part not in (".", "..") for part in name.split("/")))


def check_size(size: int, limit: int) -> None:
    """Raise a `BadImageError` where a file has more than `limit` bytes."""
    if size > limit:
        raise BadImageError(f"more than {limit // 2**20} MiB")


def reason_in(error: BaseException) -> str:
    """Return the reason in an error, on one line."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return printable(" ".join(str(error).split())) or type(error).__name__
