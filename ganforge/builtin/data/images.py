"""A folder or ZIP archive of images."""

from __future__ import annotations

import contextlib
import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import PIL
from pydantic import Field, PositiveInt

from ganforge.api import DECODING_VERSION, BadFile, DataError, Decoders, printable
from ganforge.builtin.data.labels import Labels, read_labels
from ganforge.builtin.data.opening import open_shelf
from ganforge.builtin.data.packed import packed
from ganforge.builtin.data.parts import PartedDataset
from ganforge.builtin.data.pixels import PixelSource, digest
from ganforge.builtin.data.shelf import SUFFIXES, Bad, Entry, Shelf

NAMED = 5  # bad files that a message names


class Images(PartedDataset):
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

    def image_sizes(self, cache: Path) -> Counter[tuple[int, int]]:
        """Count widths and heights by the headers of files; those that are damaged are for `open` to name."""
        found: Counter[tuple[int, int]] = Counter()
        cache.mkdir(parents=True, exist_ok=True)
        with open_shelf(self.path, cache) as shelf, Decoders(1) as decoders, decoders.one() as decoder:
            for entry in shelf.entries:
                with contextlib.suppress(BadFile):
                    head = decoder.head(shelf.fetch(entry))
                    found[head.width, head.height] += 1
        return found

    def open(self, cache: Path) -> PixelSource:
        """Open the images, decoding them into `cache` where that was not done before."""
        try:
            cache.mkdir(parents=True, exist_ok=True)
            with open_shelf(self.path, cache) as shelf:
                return self._open(shelf, cache)
        except OSError as error:
            raise DataError(
                f"cannot open '{printable(self.path)}' with its cache in '{cache}': {error.strerror or error}; "
                "check that both can be read and the cache written"
            ) from error

    def _open(self, shelf: Shelf, cache: Path) -> PixelSource:
        entries, bad = _spread(shelf.entries, self.limit), list(shelf.bad)
        if not entries and not bad:
            raise DataError(
                f"no images in '{printable(self.path)}' ({shelf.ignored} other files); expected names that end in "
                f"{', '.join(SUFFIXES)}; archives inside it are not opened"
            )
        labels = read_labels(shelf, [entry.name for entry in entries]) if self.labels and entries else None
        if labels is not None:
            bad += [Bad(entry.name, "it has no label") for entry in entries if entry.name not in labels.of]
            entries = [entry for entry in entries if entry.name in labels.of]
        content = digest(repr([(entry.name, entry.size, entry.crc) for entry in entries]).encode())
        content = digest(content.encode(), repr((self.resolution, self.channels)).encode())
        decoder = f"{DECODING_VERSION}, Pillow {PIL.__version__}"
        file = cache / f"images-{digest(content.encode(), decoder.encode())}.pixels"
        pack = packed(shelf, entries, self.resolution, None if self.channels == "auto" else self.channels, file)
        bad += pack.bad
        said = self._judge(bad, len(pack.kept))
        if len(pack.kept) < len(entries):  # which could be read is a matter of the day
            content = digest(content.encode(), pack.kept.astype("<i8").tobytes())
        source = self.source(
            pack.pixels,
            content,
            None if labels is None else _tags(labels, [entries[index] for index in pack.kept]),
            0 if labels is None else labels.classes,
            () if labels is None else labels.names,
            skipped=len(bad),
            check=pack.check,
        )
        source.notices = said
        return source

    def _judge(self, bad: Sequence[Bad], good: int) -> tuple[str, ...]:
        """Return what is to be said of images that are left out; a `DataError` where they are too many."""
        if not bad:
            return ()
        share = len(bad) / (len(bad) + good)
        named = ", ".join(str(item) for item in bad[:NAMED])
        more = f" and {len(bad) - NAMED} more" if len(bad) > NAMED else ""
        where = f"'{printable(self.path)}': {len(bad):,} of {len(bad) + good:,} images cannot be used"
        if good and share <= self.bad_share:
            return (f"{where} and are left out: {named}{more}",)
        allowed = math.ceil(share * 10_000) / 10_000
        fix = (
            f"mend or remove them, or have them left out with data.bad_share = {allowed:g}" if good else "none is left"
        )
        raise DataError(f"{where}: {named}{more}; {fix}")


def _tags(labels: Labels, entries: Sequence[Entry]) -> np.ndarray:
    return np.array([labels.of[entry.name] for entry in entries], np.int64)


def _spread(entries: Sequence[Entry], limit: int | None) -> list[Entry]:
    """Return at most `limit` entries, evenly spread, so that sorted classes keep their shares."""
    if limit is None or limit >= len(entries):
        return list(entries)
    return [entries[index * len(entries) // limit] for index in range(limit)]
