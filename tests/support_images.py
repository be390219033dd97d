"""Tiny image files and archives for tests."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image


def encoded(image: Image.Image, form: str = "PNG", **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


def png(value: int | tuple[int, ...] = 128, size: int = 8, mode: str = "L") -> bytes:
    return encoded(Image.new(mode, (size, size), value))


def noise_png(seed: int, size: int = 16, channels: int = 3) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (size, size, channels), dtype=np.uint8)
    return encoded(Image.fromarray(pixels[:, :, 0] if channels == 1 else pixels))


def folder_of(root: Path, files: Mapping[str, bytes]) -> Path:
    for name, data in files.items():
        place = root / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
    return root


def zip_of(path: Path, files: Mapping[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path
