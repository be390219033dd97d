"""Images decoded once, by several processes, into a cache that is mapped into memory afterwards."""

from __future__ import annotations

import fcntl
import logging
import os
import threading
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
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


def decode_once(
    files: ImageFiles, entries: Sequence[ImageEntry], resolution: int, channels: Channels | None, file: Path
) -> DecodedImages:
    """Return the decoded entries, from `file` where it is whole, or else decode them into it.

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
    found = _load(files, entries, resolution, channels, file)
    if found is not None:
        return found
    try:
        with _locked(file.with_suffix(".lock")):
            if _load(files, entries, resolution, channels, file) is None:
                _decode_into(file, files, entries, resolution, channels)
    except OSError as error:
        need = len(entries) * resolution**2 * (channels or 3) / 2**20
        raise DataError(
            f"cannot write the decoded images to '{file}': {error.strerror or error}; up to {need:,.0f} MiB are "
            "needed; make room there, or choose another folder for the cache"
        ) from error
    made = load_decoded(file, entries, resolution, channels)
    if made is None:
        raise DataError(f"the decoded images were written to '{file}' and cannot be read back; is that disk damaged?")
    return made


def _load(
    files: ImageFiles, entries: Sequence[ImageEntry], resolution: int, channels: Channels | None, file: Path
) -> DecodedImages | None:
    """Return what `file` holds, unless images that could not be read when it was made can be read now."""
    found = load_decoded(file, entries, resolution, channels)
    return None if found is not None and any(_can_be_read(files, entry) for entry in found.unread) else found


def _can_be_read(files: ImageFiles, entry: ImageEntry) -> bool:
    try:
        files.read_image(entry)
    except BadImageError:
        return False
    return True


def _decode_into(
    file: Path, files: ImageFiles, entries: Sequence[ImageEntry], resolution: int, channels: Channels | None
) -> None:
    """Write pixels, then their index."""
    crcs: list[int] = []
    bad: list[tuple[int, str, bool]] = []
    draft = file.with_suffix(".tmp")
    count = max(min(os.cpu_count() or 1, MAX_DECODERS, len(entries) // IMAGES_PER_DECODER), 1)
    with draft.open("wb") as stream, DecoderPool(count) as decoders:
        depth = channels or _first_channels(files, entries, decoders)
        header = {"descr": "|u1", "fortran_order": False, "shape": (0, resolution, resolution, depth)}
        write_array_header_1_0(stream, header)
        for row, result in enumerate(_decoded(files, entries, decoders, resolution, depth)):
            if isinstance(result, BadImageError):
                bad.append((row, str(result), isinstance(result, UnreadableFileError)))
            else:
                pixels = result.tobytes()
                crcs.append(zlib.crc32(pixels))
                stream.write(pixels)
        stream.seek(0)
        write_array_header_1_0(stream, {**header, "shape": (len(crcs), resolution, resolution, depth)})  # as long
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(draft, file)
    save_index(index_of(file), {"crcs": crcs, "bad": bad})


def _decoded(
    files: ImageFiles, entries: Sequence[ImageEntry], decoders: DecoderPool, resolution: int, channels: Channels
) -> Iterator[np.ndarray | BadImageError]:
    """Yield every entry decoded, or why not, in order; each decoder has a thread, which reads the files."""

    def several(some: Sequence[ImageEntry]) -> list[np.ndarray | BadImageError]:
        found: list[np.ndarray | BadImageError] = []
        with decoders.borrow() as decoder:
            for entry in some:
                try:
                    found.append(decoder.decode(files.read_image(entry), resolution, channels))
                except BadImageError as error:
                    found.append(error.with_traceback(None))  # which would keep the image in memory
        return found

    ahead = min(max(MAX_BYTES_AHEAD // (resolution**2 * channels), 1), MAX_AHEAD)
    with ThreadPoolExecutor(len(decoders)) as pool:
        for start in range(0, len(entries), ahead):
            due = entries[start : start + ahead]
            tasks = [due[first : first + IMAGES_PER_TASK] for first in range(0, len(due), IMAGES_PER_TASK)]
            try:
                for done in pool.map(several, tasks):
                    yield from done
            except BaseException:  # Ctrl-C, a full disk: nobody waits for a decoder that is at work
                decoders.stop()
                raise


def _first_channels(files: ImageFiles, entries: Sequence[ImageEntry], decoders: DecoderPool) -> Channels:
    with decoders.borrow() as decoder:
        for entry in entries:
            try:
                return decoder.read_header(files.read_image(entry)).channels
            except BadImageError:
                continue  # it is named when it is decoded
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
