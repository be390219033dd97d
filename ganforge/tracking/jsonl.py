"""Files of JSON lines that survive a kill, and small JSON files that are always whole."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ganforge.tracking.reading import parse_line, whole_lines
from ganforge.tracking.redaction import json_safe


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write a JSON file that a reader sees either as it was or as it is now, never half."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.write_text(json.dumps(json_safe(value), indent=2) + "\n", encoding="utf-8")
    partial.replace(path)


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Read all objects of a file of JSON lines; a torn last line is left out, an absent file is an empty one."""
    return [value for line in whole_lines(path) if (value := parse_line(line)) is not None]


class JsonlFile:
    """A file that JSON objects are appended to, one a line, each handed to the system before `append` returns.

    Where the disk refuses a line (it is full), the line is kept and written before the next one; `problem` says so.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.problem: str | None = None
        self._waiting: list[bytes] = []
        self._open()

    def append(self, value: Mapping[str, Any]) -> None:
        """Append one object."""
        self._waiting.append(json.dumps(json_safe(value), separators=(",", ":")).encode() + b"\n")
        data = b"".join(self._waiting)
        try:
            if os.pwrite(self._file, data, self._size) < len(data):  # the disk filled up in the middle of a line
                os.ftruncate(self._file, self._size)
                raise OSError(errno.ENOSPC, "the disk is full")
        except OSError as error:
            waiting = f"{len(self._waiting)} lines wait in memory"
            self.problem = f"{self.path} cannot be written ({error.strerror}); {waiting}"
            return
        self._size += len(data)
        self._waiting.clear()
        self.problem = None

    def rewind(self, images: int) -> int:
        """Keep only the lines with at most so many images shown; all of those before a roll-back that is kept.

        Not `Panel.lines`: what an earlier roll-back has undone happened, and stays in the file.

        Returns:
            How many lines were damaged, and are gone.
        """
        lines = read_lines(self.path)
        damaged = len(whole_lines(self.path)) - len(lines)
        shown = [_images(line) for line in lines]
        back = [at for at in range(1, len(shown)) if shown[at] < shown[at - 1] and shown[at] <= images]
        before = back[-1] if back else 0
        kept = lines[:before] + [line for line in lines[before:] if _images(line) <= images]
        partial = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        partial.write_bytes(b"".join(json.dumps(line, separators=(",", ":")).encode() + b"\n" for line in kept))
        partial.replace(self.path)
        os.close(self._file)
        self._waiting.clear()
        self._open()
        return damaged

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._file)

    def _open(self) -> None:
        """Open the file, and drop a torn last line."""
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        self._size = len(self.path.read_bytes().rpartition(b"\n")[0])
        self._size += self._size > 0
        os.ftruncate(self._file, self._size)


def _images(line: Mapping[str, Any]) -> int:
    found = line.get("images")
    return found if isinstance(found, int) else 0
