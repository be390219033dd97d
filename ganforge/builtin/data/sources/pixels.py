"""Decoded images in memory or in a memory map, gathered by the batch."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

import numpy as np
import torch
from PIL import Image
from pydantic import Field
from torch import Tensor

from ganforge.api import Batch, Dataset, DataSpec, Source, picture_grid

Check = Callable[[np.ndarray, np.ndarray], None]


class ImageDataset(Dataset):
    """What every set of images can be asked for, under the same names, so that recipes can change `kind` alone."""

    resolution: int = Field(default=64, ge=4, le=4096, description="height and width of the images, in pixels")
    mirror: bool = Field(default=False, description="show each image flipped left to right too: twice the data")


class PixelSource(Source):
    """Square images in one array.

    Mirrored data are twice as long: index i + n is image i flipped left to right.

    Args:
        pixels: [n, H, W, C] uint8; a read-only memory map will do.
        content: a digest of what the pixels were made from.
        rows: [n] int64, which of the pixels there are; None = all.
        labels: [n] int64, of these; -1 where the class is not known; or None.
        classes: number of classes; 0 without labels.
        class_names: in the order of the labels, where they have names.
        mirror: double the data.
        skipped: images that could not be used and were left out.
        check: is given the rows of images and copies of them [B, H, W, C], and raises where one is damaged.
    """

    def __init__(
        self,
        pixels: np.ndarray,
        content: str,
        *,
        rows: np.ndarray | None = None,
        labels: np.ndarray | None = None,
        classes: int = 0,
        class_names: Sequence[str] = (),
        mirror: bool = False,
        skipped: int = 0,
        check: Check | None = None,
    ) -> None:
        total, height, width, channels = pixels.shape
        count = total if rows is None else len(rows)
        self.pixels = np.asarray(pixels)  # a view: gathering from np.memmap itself is slower
        self.rows, self.labels, self.mirror, self.skipped, self.count = rows, labels, mirror, skipped, int(count)
        self.check = check
        labelled = 1.0 if labels is None else float((labels >= 0).mean())
        self.spec = DataSpec((channels, height, width), classes, tuple(class_names), labelled=labelled)
        tags = b"" if labels is None else labels.astype("<i8").tobytes()
        parts = [content.encode(), tags, repr((self.spec, count, mirror)).encode()]
        self.fingerprint = digest(*parts, *([] if rows is None else [rows.astype("<i8").tobytes()]))

    def __len__(self) -> int:
        return self.count * (2 if self.mirror else 1)

    def batch(self, indices: np.ndarray) -> Batch:
        """Return uint8 images [B, C, H, W], channels last in memory, and labels [B] where there are any."""
        index = np.asarray(indices, np.int64)
        if index.size and (index.min() < 0 or index.max() >= len(self)):
            raise IndexError(f"indices from {index.min()} to {index.max()} asked of {len(self)} samples")
        plain = index % self.count
        rows = plain if self.rows is None else self.rows[plain]
        taken = np.take(self.pixels, rows, axis=0)
        if self.check is not None:
            self.check(rows, taken)
        flipped = np.flatnonzero(index >= self.count)
        if flipped.size:
            taken[flipped] = taken[flipped, :, ::-1]
        batch = {"image": torch.from_numpy(taken).permute(0, 3, 1, 2)}
        if self.labels is not None:
            batch["label"] = torch.from_numpy(self.labels[plain])
        return batch

    def show(self, samples: Tensor) -> Image.Image:
        """Return a grid of images [N, C, H, W] in [-1, 1]."""
        return picture_grid(samples)


def digest(*parts: bytes) -> str:
    """Return 32 hexadecimal digits that depend on every part and on where one part ends."""
    whole = hashlib.blake2b(digest_size=16)
    for part in parts:
        whole.update(len(part).to_bytes(8, "big"))
        whole.update(part)
    return whole.hexdigest()


def from_floats(grey: np.ndarray, resolution: int, channels: int, resample: Image.Resampling) -> np.ndarray:
    """Return grey images [n, h, w] in 0..1 as uint8 [n, resolution, resolution, channels], rounded only once.

    Grey becomes colour by repetition; a fourth channel is an opaque alpha.
    """
    size = (resolution, resolution)
    floats = [Image.fromarray(image.astype(np.float32) * 255).resize(size, resample) for image in grey]
    pixels = np.stack([np.asarray(image) for image in floats]).round().clip(0, 255).astype(np.uint8)[..., None]
    colour = pixels.repeat(min(channels, 3), axis=3)
    return colour if channels < 4 else np.concatenate([colour, np.full_like(pixels, 255)], axis=3)
