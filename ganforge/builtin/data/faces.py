"""One hundred small grey faces that come with scikit-image."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from PIL import Image
from pydantic import Field

from ganforge.builtin.data.sources.pixels import ImageDataset, PixelSource, digest, from_floats

FACES = 100  # the subset's other hundred images show no faces


class Faces(ImageDataset):
    """One hundred grey faces, 25x25, embedded: Labeled Faces in the Wild, as scikit-image's `lfw_subset` has them.

    Huang, Ramesh, Berg and Learned-Miller 2007, technical report 07-49, University of Massachusetts. Enlarged by
    Lanczos. Enough to see a run work, far too few to learn what faces are.
    """

    kind: Literal["faces"] = "faces"
    resolution: int = Field(default=32, ge=4, le=4096, description="height and width, enlarged from 25 pixels")
    channels: Literal[1, 3, 4] = Field(default=1, description="1 = grey, 3 = grey as colour, 4 = with opaque alpha")

    def open(self, cache: Path) -> PixelSource:
        """Open the faces; nothing is cached."""
        from skimage.data import lfw_subset  # slow to import

        grey = lfw_subset()[:FACES]  # type: ignore[no-untyped-call]
        pixels = from_floats(grey, self.resolution, self.channels, Image.Resampling.LANCZOS)
        return PixelSource(pixels, digest(pixels.tobytes()), mirror=self.mirror)
