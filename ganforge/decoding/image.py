"""One encoded image to one array, whatever its mode, and in bounded memory."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Literal, NamedTuple

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

DECODING_VERSION = 1  # count up when the same file decodes to other pixels
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
MAX_PIXELS = 2**26  # 8,192 squared
LARGE = 2**22  # pixels of an image from which on only one is decoded at a time, so that a few of them need no gigabytes
DEEP_FORMATS = ("PNG", "PPM")  # whose mode "I" is 16 bits deep
GREY = ("1", "L", "LA", "La", "I", "F")
DAMAGE = (  # what Pillow's readers raise on damaged files
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    AttributeError,
    AssertionError,
    EOFError,
    MemoryError,
    NotImplementedError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)
Channels = Literal[1, 3, 4]  # grey, colour, colour with alpha


class ImageHeader(NamedTuple):
    """The header of an image.

    Args:
        channels: 1 where it is stored grey, 3 for any other.
        width: in pixels, before it is turned as its EXIF says.
        height: in pixels, likewise.
    """

    channels: Channels
    width: int
    height: int


class BadImageError(Exception):
    """One image file cannot be used; its text is the reason."""


def open_image(data: bytes) -> Image.Image:
    """Read the header of an image; `BadImageError` where it is none, or has too many pixels."""
    if not data:
        raise BadImageError("an empty file")
    if not Image.OPEN.keys() >= set(FORMATS):
        Image.init()
    try:
        image = Image.open(io.BytesIO(data), formats=[name for name in FORMATS if name in Image.OPEN])
    except DAMAGE as error:
        raise BadImageError(_reason(error)) from error
    if image.width * image.height > MAX_PIXELS:
        raise BadImageError(f"{image.width} x {image.height} pixels, more than {MAX_PIXELS:,}")
    return image


def read_header(image: Image.Image) -> ImageHeader:
    """Return what the header of an opened image says; nothing else of it is read."""
    return ImageHeader(1 if image.mode in GREY or image.mode.startswith("I;16") else 3, *image.size)


def decode_image(image: Image.Image, resolution: int, channels: Channels) -> np.ndarray:
    """Return an opened image as uint8 [resolution, resolution, channels].

    The first frame, turned as its EXIF says, is converted, cut to the central square and resized by Lanczos (which
    averages when it reduces). Palettes, CMYK and the like become RGB; colour becomes grey by ITU-R 601-2; 16 bits are
    scaled to 8; transparency is kept with four channels, and laid on white with fewer. Colour profiles are ignored.

    Raises:
        BadImageError: the image is damaged, or of a depth whose range is unknown.
    """
    try:
        image = _convert(image, channels)
        width, height = image.size
        side = min(width, height)
        left, top = (width - side) // 2, (height - side) // 2
        if width != height:  # cut first: resize's own `box` lets what lies beyond it leak in
            image = image.crop((left, top, left + side, top + side))
        if side != resolution:
            image = image.resize((resolution, resolution), Image.Resampling.LANCZOS)
        return np.asarray(image).reshape(resolution, resolution, channels)
    except DAMAGE as error:
        raise BadImageError(_reason(error)) from error


def decode_rgb(data: bytes) -> Image.Image:
    """Return an image as RGB, in its own size; `BadImageError` where it cannot be read."""
    try:
        return open_image(data).convert("RGB")
    except DAMAGE as error:
        raise BadImageError(_reason(error)) from error


def _convert(image: Image.Image, channels: Channels) -> Image.Image:
    stored_as = image.format
    ImageOps.exif_transpose(image, in_place=True)
    if image.mode.startswith("I;16") or (image.mode == "I" and stored_as in DEEP_FORMATS):
        image = Image.fromarray(((np.asarray(image).astype(np.int64) * 255 + 32767) // 65535).astype(np.uint8))
    elif image.mode in ("I", "F"):
        raise BadImageError(f"{stored_as} of 32 bits a channel, whose range is unknown; convert it to 8 or 16 bits")
    transparent = image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info
    if transparent:
        image = image.convert("RGBA")
        if channels != 4:
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    mode = {1: "L", 3: "RGB", 4: "RGBA"}[channels]
    if image.mode not in ("1", "L", "RGB", "RGBA"):
        image = image.convert("RGB")
    return image if image.mode == mode else image.convert(mode)


def _reason(error: BaseException) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "not an image, or its head is damaged"
    if isinstance(error, Image.DecompressionBombError):
        return f"more than {MAX_PIXELS:,} pixels"
    text = " ".join(str(error).split())
    return f"damaged: {text or type(error).__name__}"
