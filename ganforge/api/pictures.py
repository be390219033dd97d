"""Samples that are images, as pictures: one by one, or side by side on a sheet."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from PIL import Image
from torch import Tensor

from ganforge.api.data import DataSpec, to_float, to_uint8
from ganforge.decoding.image import BadImageError, decode_rgb
from ganforge.errors import GanforgeError

WIDTH = 512  # pixels: grids of small images are enlarged to about this
GUTTER = 2  # pixels between images
MODES = {1: "L", 3: "RGB", 4: "RGBA"}  # by channels


def have_pictures(spec: DataSpec) -> bool:
    """Whether samples of these data can be saved as pictures."""
    return len(spec.shape) == 3 and spec.shape[0] in MODES


def to_pixels(samples: Tensor) -> np.ndarray:  # [N, H, W, C]
    """Return images as uint8 [N, H, W, C].

    Args:
        samples: [N, C, H, W] in [-1, 1] (or uint8). NaN becomes mid grey.
    """
    levels = to_uint8(to_float(samples.detach().cpu()).nan_to_num(0.0, 1.0, -1.0))
    return np.asarray(levels.permute(0, 2, 3, 1).numpy())


def to_picture(pixels: np.ndarray) -> Image.Image:
    """Return uint8 pixels [H, W, C], C = 1, 3 or 4, as a picture."""
    channels = pixels.shape[2]
    return Image.fromarray(pixels[:, :, 0] if channels == 1 else pixels, MODES[channels])


def read_picture(file: Path) -> Image.Image:
    """Return the picture in a file as RGB.

    Raises:
        GanforgeError: there is none, or it is damaged.
    """
    try:
        return decode_rgb(file.read_bytes())
    except (OSError, BadImageError) as error:
        raise GanforgeError(f"{file} cannot be read: {error}") from error


def picture_grid(samples: Tensor) -> Image.Image:
    """Return images side by side, near-square, row by row; small ones are enlarged by a whole factor.

    Args:
        samples: [N, C, H, W], N >= 1, C = 1, 3 or 4, in [-1, 1] (or uint8). NaN is drawn as mid grey.
    """
    pixels = to_pixels(samples)
    count, height, width, channels = pixels.shape
    columns = math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    scale = max(1, math.ceil(WIDTH / (columns * width)))
    pixels = pixels.repeat(scale, axis=1).repeat(scale, axis=2)
    height, width = height * scale + GUTTER, width * scale + GUTTER
    sheet = np.zeros((rows * height - GUTTER, columns * width - GUTTER, channels), np.uint8)
    for index, image in enumerate(pixels):
        top, left = index // columns * height, index % columns * width
        sheet[top : top + image.shape[0], left : left + image.shape[1]] = image
    return to_picture(sheet)
