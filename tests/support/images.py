"""Tiny image files and archives for tests."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from ganforge.decoding.image import Channels, decode_image, open_image


def encoded(image: Image.Image, form: str = "PNG", **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


def png(value: int | tuple[int, ...] = 128, size: int = 8, mode: str = "L") -> bytes:
    return encoded(Image.new(mode, (size, size), value))


def noise_png(seed: int, size: int = 16, channels: int = 3) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (size, size, channels), dtype=np.uint8)
    return encoded(Image.fromarray(pixels[:, :, 0] if channels == 1 else pixels))


def png_of(width: int, height: int, rows: int, *chunks: tuple[bytes, bytes]) -> bytes:
    """A grey PNG of zeros of any claimed size, with `rows` rows of it, and other chunks before them."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    middle = b"".join(chunk(*each) for each in chunks)
    return (
        b"\x89PNG\r\n\x1a\n"
        + head
        + middle
        + chunk(b"IDAT", zlib.compress(bytes(rows * (width + 1)), 9))
        + chunk(b"IEND", b"")
    )


def decoded(data: bytes, resolution: int, channels: Channels) -> np.ndarray:
    """The pixels of an image file, decoded in this process."""
    return decode_image(open_image(data), resolution, channels)


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
