"""The cache of decoded images: pixels in a `.npy` file, and beside it an index of which they are, with checksums."""

from __future__ import annotations

import logging
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tokenize import TokenError

import numpy as np
from numpy.lib.format import open_memmap

from ganforge.api import DataError
from ganforge.builtin.data.files.image_files import BadImage, ImageEntry, reason_in
from ganforge.builtin.data.files.index import DAMAGE, load_index

AT_ONCE = 2**28  # bytes of pixels that are checked when the file is opened; of more, each image when it is first used
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class DecodedImages:
    """Images of one size, and which they are.

    Args:
        pixels: [n, H, W, C] uint8, a read-only memory map.
        kept: [n] int64, which of the entries they are.
        bad: the other entries, and why.
        unread: those of the other entries whose bytes could not be had: they may come back.
        check: finds damage in what was read.
    """

    pixels: np.ndarray
    kept: np.ndarray
    bad: Sequence[BadImage]
    unread: Sequence[ImageEntry]
    check: ChecksumVerifier


class ChecksumVerifier:
    """Compares images with their checksums, each once in the life of this process.

    Args:
        file: that they are in.
        crcs: CRC-32 of each, [n].
        verified: the bytes of all were compared already.
    """

    def __init__(self, file: Path, crcs: np.ndarray, *, verified: bool) -> None:
        self.file, self.crcs = file, crcs
        self.verified = np.full(len(crcs), verified)

    def __call__(self, rows: np.ndarray, images: np.ndarray) -> None:
        """Compare images [B, H, W, C], copies of these rows; a `DataError` where one is not what was decoded."""
        for place in np.flatnonzero(~self.verified[rows]):
            row = int(rows[place])
            if zlib.crc32(images[place]) != self.crcs[row]:
                raise DataError(
                    f"'{self.file}' is damaged: image {row} in it is not what was decoded; {_remove(self.file)}; "
                    "start again (a run is resumed), and it is made anew"
                )
            self.verified[row] = True


def _remove(file: Path) -> str:
    try:
        file.unlink(missing_ok=True)
    except OSError as error:
        return f"delete it (it could not be removed here: {error.strerror})"
    return "it was removed"


def index_of(file: Path) -> Path:
    """Return the index that lies beside a file of pixels."""
    return file.with_suffix(".json.gz")


def load_decoded(
    file: Path, entries: Sequence[ImageEntry], resolution: int, channels: int | None
) -> DecodedImages | None:
    """Return what `file` holds of the entries; None where there is none, or not a whole one of these settings."""
    try:
        index = load_index(index_of(file))
        bad = {int(row): (str(reason), bool(unread)) for row, reason, unread in index["bad"]}
        kept = np.setdiff1d(np.arange(len(entries)), list(bad))
        crcs = np.array(index["crcs"], np.uint32)
        with np.errstate(over="raise"):  # sides whose product is beyond any memory
            pixels = open_memmap(file, mode="r")
        shape = (len(kept), resolution, resolution, channels or pixels.shape[-1])
        if pixels.dtype != np.uint8 or pixels.shape != shape or shape[3] not in (1, 3, 4):
            raise ValueError("they are of another shape")
        if len(crcs) != len(kept) or len(kept) + len(bad) != len(entries):
            raise ValueError("they are not of these images")
        small = pixels.nbytes <= AT_ONCE
        if small and any(
            zlib.crc32(image) != crc for image, crc in zip(np.asarray(pixels), crcs.tolist(), strict=True)
        ):
            raise ValueError("a checksum is wrong")
    except FileNotFoundError:
        return None
    except (*DAMAGE, SyntaxError, TokenError) as error:  # the last two: of numpy, about a header
        _log.warning(
            "the decoded images in '%s' are damaged or foreign (%s); they are made again", file, reason_in(error)
        )
        return None
    return DecodedImages(
        pixels,
        kept,
        [BadImage(entries[row].name, reason) for row, (reason, _) in bad.items()],
        [entries[row] for row, (_, unread) in bad.items() if unread],
        ChecksumVerifier(file, crcs, verified=small),
    )
