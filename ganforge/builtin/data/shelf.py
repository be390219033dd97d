"""Where image files lie: what a folder and a ZIP archive have in common."""

from __future__ import annotations

import zlib
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

from ganforge.api import BadFile, printable

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
MAX_BYTES = 128 * 2**20  # of one encoded image
MAX_LABEL_BYTES = 256 * 2**20  # of dataset.json


class Entry(NamedTuple):  # there may be millions
    """One image file: its name below the folder or in the archive, size in bytes and CRC-32 of its bytes."""

    name: str
    size: int
    crc: int


@dataclass(frozen=True)
class Bad:
    """One file that cannot be used, and why."""

    name: str
    reason: str

    def __str__(self) -> str:
        return f"{printable(self.name)} ({self.reason})"


class Unread(BadFile):
    """The bytes of a file cannot be had, or are not those that were there: it may come back."""


def is_image(name: str) -> bool:
    """Say whether a name (with /) is that of an image file, and not hidden nor one of macOS's shadows."""
    if not name.lower().endswith(SUFFIXES) or name.startswith("__MACOSX/"):
        return False
    dotted = name[0] == "." or "/." in name
    return not (dotted and any(part.startswith(".") and part not in (".", "..") for part in name.split("/")))


def bounded(data: bytes, limit: int) -> bytes:
    """Return `data`; `BadFile` where they are more than `limit`."""
    if len(data) > limit:
        raise BadFile(too_large(limit))
    return data


def too_large(limit: int) -> str:
    """Return the reason why a file of more than `limit` bytes is not read."""
    return f"more than {limit // 2**20} MiB"


def why(error: BaseException) -> str:
    """Return the reason in an error, on one line."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return printable(" ".join(str(error).split())) or type(error).__name__


class Shelf(ABC):
    """Image files in the order of their names, those that cannot even be opened, and how many files were ignored."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.entries: list[Entry] = []
        self.bad: list[Bad] = []
        self.ignored = 0

    @abstractmethod
    def read(self, name: str, limit: int = MAX_BYTES) -> bytes:
        """Return the bytes of a file; `BadFile` where that fails or they are more than `limit`."""

    def fetch(self, entry: Entry) -> bytes:
        """Return the bytes of an image; `Unread` where they cannot be had or are no longer what they were."""
        data = self.read(entry.name)
        if zlib.crc32(data) != entry.crc:
            raise Unread("it changed while the data were opened")
        return data

    @abstractmethod
    def holds(self, name: str) -> bool:
        """Say whether there is a file of this name."""

    def close(self) -> None:  # noqa: B027 (a folder has nothing to let go of)
        """Let go of the archive."""

    def __enter__(self) -> Shelf:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def sort(self) -> None:
        """Bring everything into the order of its names."""
        self.entries.sort(key=lambda entry: entry.name)
        self.bad.sort(key=lambda bad: bad.name)
