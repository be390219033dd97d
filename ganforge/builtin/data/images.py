"""A folder or ZIP archive of images."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

import numpy as np
import PIL
from pydantic import Field, PositiveInt

from ganforge.api import DECODING_VERSION, BadImageError, DataError, DecoderPool, printable
from ganforge.builtin.data.files.decoded import ImageDecoding
from ganforge.builtin.data.files.image_files import SUFFIXES, BadImage, ImageEntry, ImageFiles
from ganforge.builtin.data.files.labels import read_file_labels
from ganforge.builtin.data.files.opening import open_image_files
from ganforge.builtin.data.sources.pixels import PixelSource, digest
from ganforge.builtin.data.sources.splits import SplitDataset

MAX_NAMED = 5  # bad files that a message names


class Images(SplitDataset):
    """A folder or ZIP of images, cut to the central square, resized by Lanczos and decoded once into a cache.

    Labels come from a `dataset.json` at the top, in the format of StyleGAN2-ADA (Karras et al. 2020,
    arXiv:2006.06676), or else from the sub-folders. Files that are hidden or have no image's suffix are ignored.
    """

    kind: Literal["images"] = "images"
    path: str = Field(min_length=1, description="folder or ZIP of images, relative to the working folder")
    channels: Literal["auto", 1, 3, 4] = Field(
        default="auto", description="1 = grey, 3 = colour, 4 = with alpha; auto = grey or colour as the first image is"
    )
    labels: bool = Field(default=False, description="read labels from dataset.json, or else from the sub-folders")
    limit: PositiveInt | None = Field(
        default=None, description="use at most so many images, spread evenly over the sorted names"
    )
    bad_share: float = Field(
        default=0.01,
        ge=0,
        le=1,
        description="images that cannot be used are named and left out, up to this share; more are refused",
    )

    @classmethod
    def of_path(cls, path: str) -> Images:
        """Take the images there, or say what is there instead when they are opened."""
        return cls(path=path)

    def open(self, cache: Path) -> PixelSource:
        """Open the images, decoding them into `cache` where that was not done before."""
        with self._files(cache) as files:
            return self._open(files, cache)

    def image_sizes(self, cache: Path) -> Mapping[tuple[int, int], int]:
        """Return how many images have which width and height, by their headers; damaged ones are left out."""
        found: Counter[tuple[int, int]] = Counter()
        with self._files(cache) as files, DecoderPool(1) as decoders, decoders.borrow() as decoder:
            for entry in files.entries:
                with suppress(BadImageError):  # whoever opens the data says what is wrong with them
                    header = decoder.read_header(files.read_image(entry))
                    found[header.width, header.height] += 1
        return found

    @contextmanager
    def _files(self, cache: Path) -> Iterator[ImageFiles]:
        try:
            cache.mkdir(parents=True, exist_ok=True)
            with open_image_files(self.path, cache) as files:
                yield files
        except OSError as error:
            raise DataError(
                f"cannot open '{self.path}' with its cache in '{cache}': {error.strerror or error}; check that both "
                "can be read and the cache written"
            ) from error

    def _open(self, files: ImageFiles, cache: Path) -> PixelSource:
        entries, bad = _subsample(files.entries, self.limit), list(files.bad)
        if not entries and not bad:
            raise DataError(
                f"no images in '{self.path}' ({files.ignored} other files); expected names that end in "
                f"{', '.join(SUFFIXES)}; archives inside it are not opened"
            )
        labels = read_file_labels(files, [entry.name for entry in entries]) if self.labels and entries else None
        if labels is not None:
            bad += [BadImage(entry.name, "it has no label") for entry in entries if entry.name not in labels.of]
            entries = [entry for entry in entries if entry.name in labels.of]
        content = digest(repr([(entry.name, entry.size, entry.crc) for entry in entries]).encode())
        content = digest(content.encode(), repr((self.resolution, self.channels)).encode())
        decoder = f"{DECODING_VERSION}, Pillow {PIL.__version__}"
        file = cache / f"images-{digest(content.encode(), decoder.encode())}.npy"
        channels = None if self.channels == "auto" else self.channels
        decoded = ImageDecoding(files, entries, self.resolution, channels, file).open()
        bad += decoded.bad
        notices = self._check_share(bad, len(decoded.kept))
        if len(decoded.kept) < len(entries):  # which could be read is a matter of the day
            content = digest(content.encode(), decoded.kept.astype("<i8").tobytes())
        tags = None if labels is None else np.array([labels.of[entries[row].name] for row in decoded.kept], np.int64)
        source = self.source(
            decoded.pixels,
            content,
            tags,
            0 if labels is None else labels.classes,
            () if labels is None else labels.names,
            skipped=len(bad),
            check=decoded.check,
        )
        source.notices = notices
        return source

    def _check_share(self, bad: Sequence[BadImage], good: int) -> tuple[str, ...]:
        """Return what is to be said of images that are left out; a `DataError` where they are too many."""
        if not bad:
            return ()
        share = len(bad) / (len(bad) + good)
        named = ", ".join(str(item) for item in bad[:MAX_NAMED])
        more = f" and {len(bad) - MAX_NAMED} more" if len(bad) > MAX_NAMED else ""
        where = f"'{printable(self.path)}': {len(bad):,} of {len(bad) + good:,} images cannot be used"
        if good and share <= self.bad_share:
            return (f"{where} and are left out: {named}{more}",)
        allowed = math.ceil(share * 10_000) / 10_000
        fix = (
            f"mend or remove them, or have them left out with data.bad_share = {allowed:g}" if good else "none is left"
        )
        raise DataError(f"{where}: {named}{more}; {fix}")


def _subsample(entries: Sequence[ImageEntry], limit: int | None) -> list[ImageEntry]:
    """Return at most `limit` entries, evenly spread, so that sorted classes keep their shares."""
    if limit is None or limit >= len(entries):
        return list(entries)
    return [entries[index * len(entries) // limit] for index in range(limit)]
