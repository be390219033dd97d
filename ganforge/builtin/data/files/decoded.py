"""Images decoded once, by several processes, into a cache that is mapped into memory afterwards."""

from __future__ import annotations

import fcntl
import logging
import os
import threading
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.lib.format import write_array_header_1_0

from ganforge.api import BadImageError, Channels, DataError, DecoderPool
from ganforge.builtin.data.files.decoded_cache import DecodedImages, index_of, load_decoded
from ganforge.builtin.data.files.image_files import ImageEntry, ImageFiles, UnreadableFileError
from ganforge.builtin.data.files.index import save_index

MAX_AHEAD, MAX_BYTES_AHEAD = 256, 2**27  # images, and bytes of them, that are decoded before they are written
IMAGES_PER_TASK = 16  # that a thread takes on at once
MAX_DECODERS, IMAGES_PER_DECODER = 16, 64  # processes, and images for which it is worth to start one more
PATIENCE = 10.0  # seconds until a wait for another process is said
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ImageDecoding:
    """Images that are decoded once into a file.

    Processes that want the same file at once wait for the first of them. The file appears in one move, so that a
    killed process leaves none; one that is torn or damaged, or was made by something else, is made again, and so is one
    without images that could not be read then and can be now.

    Args:
        files: where the entries lie.
        entries: what to decode, in this order.
        resolution: height and width.
        channels: 1, 3 or 4; None = those of the first image that can be read.
        file: whose name depends on the content of the entries and on the settings.
    """

    files: ImageFiles
    entries: Sequence[ImageEntry]
    resolution: int
    channels: Channels | None
    file: Path

    def open(self) -> DecodedImages:
        """Return the decoded entries, from the file where it is whole, or else decode them into it."""
        found = self._load()
        if found is not None:
            return found
        try:
            with _locked(self.file.with_suffix(".lock")):
                found = self._load()
                if found is None:
                    self._write()
                    found = load_decoded(self.file, self.entries, self.resolution, self.channels)
        except OSError as error:
            need = len(self.entries) * self.resolution**2 * (self.channels or 3) / 2**20
            raise DataError(
                f"cannot write the decoded images to '{self.file}': {error.strerror or error}; up to {need:,.0f} MiB "
                "are needed; make room there, or choose another folder for the cache"
            ) from error
        if found is None:
            raise DataError(
                f"the decoded images were written to '{self.file}' and cannot be read back; is that disk damaged?"
            )
        return found

    def _load(self) -> DecodedImages | None:
        """Return what the file holds, unless images that could not be read when it was made can be read now."""
        found = load_decoded(self.file, self.entries, self.resolution, self.channels)
        for entry in () if found is None else found.unread:
            with suppress(BadImageError):
                self.files.read_image(entry)
                return None
        return found

    def _write(self) -> None:
        """Write pixels, then their index."""
        crcs: list[int] = []
        bad: list[tuple[int, str, bool]] = []
        draft = self.file.with_suffix(".tmp")
        count = max(min(os.cpu_count() or 1, MAX_DECODERS, len(self.entries) // IMAGES_PER_DECODER), 1)
        with draft.open("wb") as stream, DecoderPool(count) as decoders:
            channels = self.channels or self._first_channels(decoders)

            def write_header() -> None:  # as long for any number of images
                shape = (len(crcs), self.resolution, self.resolution, channels)
                write_array_header_1_0(stream, {"descr": "|u1", "fortran_order": False, "shape": shape})

            write_header()
            for row, result in enumerate(self._decode(decoders, channels)):
                if isinstance(result, BadImageError):
                    bad.append((row, str(result), isinstance(result, UnreadableFileError)))
                else:
                    pixels = result.tobytes()
                    crcs.append(zlib.crc32(pixels))
                    stream.write(pixels)
            stream.seek(0)
            write_header()
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(draft, self.file)
        save_index(index_of(self.file), {"crcs": crcs, "bad": bad})

    def _decode(self, decoders: DecoderPool, channels: Channels) -> Iterator[np.ndarray | BadImageError]:
        """Yield every entry decoded, or why not, in order; each decoder has a thread, which reads the files."""

        def several(some: Sequence[ImageEntry]) -> list[np.ndarray | BadImageError]:
            found: list[np.ndarray | BadImageError] = []
            with decoders.borrow() as decoder:
                for entry in some:
                    try:
                        found.append(decoder.decode(self.files.read_image(entry), self.resolution, channels))
                    except BadImageError as error:
                        found.append(error.with_traceback(None))  # which would keep the image in memory
            return found

        ahead = min(max(MAX_BYTES_AHEAD // (self.resolution**2 * channels), 1), MAX_AHEAD)
        with ThreadPoolExecutor(len(decoders)) as pool:
            for start in range(0, len(self.entries), ahead):
                due = self.entries[start : start + ahead]
                tasks = [due[first : first + IMAGES_PER_TASK] for first in range(0, len(due), IMAGES_PER_TASK)]
                try:
                    for done in pool.map(several, tasks):
                        yield from done
                except BaseException:  # Ctrl-C, a full disk: nobody waits for a decoder that is at work
                    decoders.stop()
                    raise

    def _first_channels(self, decoders: DecoderPool) -> Channels:
        with decoders.borrow() as decoder:
            for entry in self.entries:
                with suppress(BadImageError):  # it is named when it is decoded
                    return decoder.read_header(self.files.read_image(entry)).channels
        return 3


@contextmanager
def _locked(file: Path) -> Iterator[None]:
    """Hold a lock file; a wait for another process that lasts is said."""
    told = "another process is decoding the same images; waiting for it to finish ('%s')"
    notice = threading.Timer(PATIENCE, _log.warning, (told, file))
    with file.open("w") as stream:
        notice.start()
        try:
            fcntl.flock(stream, fcntl.LOCK_EX)
        finally:
            notice.cancel()
        yield  # closing the file unlocks it
