"""The file of decoded images: its form, and how damage in it is found."""

from __future__ import annotations

import json
import logging
import os
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ganforge.api import DataError, printable
from ganforge.builtin.data.shelf import Bad, why

MAGIC = b"ganforge images 2\n"  # count up when the format changes
AT_ONCE = 2**28  # bytes of pixels that are checked when the file is opened; of more, each image when it is first used
MAX_TAIL = 2**30
END = 12 + len(MAGIC)  # length of the tail, checksum of all but the pixels, magic
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Packed:
    """What a file of decoded images holds.

    Args:
        pixels: [n, H, W, C] uint8, a read-only memory map.
        kept: [n] int64, which of the entries they are.
        bad: the other entries, and why.
        unread: [m] int64, those of the other entries whose bytes could not be had: they may come back.
        check: finds damage in what was read.
    """

    pixels: np.ndarray
    kept: np.ndarray
    bad: tuple[Bad, ...]
    unread: np.ndarray
    check: Check


class Check:
    """Compares images with their checksums, each once in the life of this process.

    Args:
        file: that they are in.
        sums: CRC-32 of each, [n] uint32.
        seen: the bytes of all were compared already.
    """

    def __init__(self, file: Path, sums: np.ndarray, *, seen: bool = False) -> None:
        self.file, self.sums = file, sums
        self.seen = np.full(len(sums), seen)

    def __call__(self, rows: np.ndarray, taken: np.ndarray) -> None:
        """Compare images [B, H, W, C], copies of these rows; a `DataError` where one is not what was decoded."""
        for place in np.flatnonzero(~self.seen[rows]):
            row = int(rows[place])
            if zlib.crc32(taken[place]) != self.sums[row]:
                raise DataError(
                    f"'{printable(str(self.file))}' is damaged: image {row} in it is not what was decoded; "
                    f"{_discarded(self.file)}; start again, or resume the run, and it is made anew"
                )
            self.seen[row] = True


def _discarded(file: Path) -> str:
    try:
        file.unlink(missing_ok=True)
    except OSError as error:
        return f"delete it (it could not be removed here: {error.strerror})"
    return "it was removed"


class Writer:
    """Writes images one by one, then what they are; a file without its end is not whole."""

    def __init__(self, file: Path) -> None:
        self.stream = file.open("wb")
        self.sums: list[int] = []

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, *_: object) -> None:
        self.stream.close()

    def put(self, pixels: np.ndarray) -> None:
        """Append one image [H, W, C] uint8."""
        data = pixels.tobytes()
        self.sums.append(zlib.crc32(data))
        self.stream.write(data)

    def finish(self, image: tuple[int, ...], missing: Sequence[int], unread: Sequence[int], bad: Sequence[Bad]) -> None:
        """Write the end: the shape of an image, which entries are missing, which of them were not read, and why."""
        tail = {
            "shape": (len(self.sums), *image),
            "missing": list(missing),
            "unread": list(unread),
            "bad": [[item.name, item.reason] for item in bad],
        }
        words = json.dumps(tail).encode()
        text = np.array(self.sums, "<u4").tobytes() + words
        self.stream.write(text + len(words).to_bytes(8, "little") + zlib.crc32(text).to_bytes(4, "little") + MAGIC)
        self.stream.flush()
        os.fsync(self.stream.fileno())


def load(file: Path, total: int, resolution: int, channels: int | None) -> Packed | None:
    """Return what `file` holds of `total` entries; None where there is none, or not a whole one of these settings."""
    try:
        with file.open("rb") as stream:
            tail, sums = _end(stream, total)
        shape = tuple(tail["shape"])
        count, *image = shape
        sides = [resolution, resolution, channels or image[2]]
        missing, unread = (np.array(tail[name], np.int64).reshape(-1) for name in ("missing", "unread"))
        kept = np.setdiff1d(np.arange(total), missing)
        if image != sides or image[2] not in (1, 3, 4) or len(kept) != count or np.setdiff1d(unread, missing).size:
            raise ValueError("they are not of these images")
        bad = tuple(Bad(str(name), printable(str(reason))) for name, reason in tail["bad"])
        if file.stat().st_size != int(np.prod(shape)) + tail["length"]:
            raise ValueError("their size is not what it should be")
        pixels = np.memmap(file, np.uint8, "r", shape=shape) if count else np.empty(shape, np.uint8)
        small = pixels.nbytes <= AT_ONCE
        if small and any(zlib.crc32(one) != crc for one, crc in zip(np.asarray(pixels), sums.tolist(), strict=True)):
            raise ValueError("a checksum is wrong")
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, LookupError, ArithmeticError, RecursionError) as error:
        _log.warning("the decoded images in '%s' are damaged or foreign (%s); they are made again", file, why(error))
        return None
    return Packed(pixels, kept, bad, unread, Check(file, sums, seen=small))


def _end(stream: BinaryIO, total: int) -> tuple[dict[str, Any], np.ndarray]:
    """Return the tail, with the length of all that is not pixels, and the checksums of the images."""
    size = stream.seek(0, os.SEEK_END)
    stream.seek(max(size - END, 0))
    end = stream.read(END)
    words = int.from_bytes(end[:8], "little")
    if end[12:] != MAGIC or words > min(size - END, MAX_TAIL):
        raise ValueError("there is no end, or another")
    stream.seek(size - END - words)
    tail = json.loads(stream.read(words))
    count = tail["shape"][0]
    if type(count) is not int or not 0 <= count <= total:
        raise ValueError("there are more of them than images")
    tail["length"] = 4 * count + words + END
    stream.seek(max(size - tail["length"], 0))
    text = stream.read(4 * count + words)
    if zlib.crc32(text) != int.from_bytes(end[8:12], "little"):
        raise ValueError("the checksum of their end is wrong")
    return tail, np.frombuffer(text[: 4 * count], "<u4")
