"""Small handwritten digits that come with scikit-learn."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image
from pydantic import Field

from ganforge.builtin.data.sources.pixels import PixelSource, digest, from_floats
from ganforge.builtin.data.sources.splits import SplitDataset


class Digits(SplitDataset):
    """1,797 handwritten digits, 8x8 grey, embedded: scikit-learn's `load_digits`.

    Alpaydin and Kaynak 1998, Optical Recognition of Handwritten Digits, UCI Machine Learning Repository (its test set).
    Enlarged by bicubic interpolation.
    """

    kind: Literal["digits"] = "digits"
    resolution: int = Field(default=8, ge=4, le=4096, description="height and width, enlarged from 8 pixels")
    channels: Literal[1, 3, 4] = Field(default=1, description="1 = grey, 3 = grey as colour, 4 = with opaque alpha")
    labels: bool = Field(default=False, description="label each image with its digit, 0 to 9")

    def open(self, cache: Path) -> PixelSource:
        """Open the digits; nothing is cached."""
        from sklearn.datasets import load_digits  # slow to import

        found = load_digits()
        pixels = from_floats(found.images / 16, self.resolution, self.channels, Image.Resampling.BICUBIC)
        content = digest(pixels.tobytes())
        names, tags = [str(digit) for digit in range(10)], found.target.astype(np.int64)
        return self.source(pixels, content, tags if self.labels else None, 10, names)
