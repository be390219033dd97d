"""The distance between the power spectra of generated and of real images."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from ganforge.api import Better, Exam, ExaminedBatch, Measurement, Metric, SampleRequest, Source, View

ROUNDING = 1 / 12  # power, in levels of 8 bits squared, that rounding adds at each frequency


@dataclass(frozen=True)
class Spectrum(View):
    """The power of an image at each whole spatial frequency, averaged over directions and channels."""

    def rows(self, seen: ExaminedBatch) -> Tensor:
        """Return powers [B, F], float64: at 1, 2, ... waves along the image, to the corners of the spectrum.

        Noise of variance v (in levels of 8 bits) has power v at every frequency.
        """
        images = seen.samples.double()
        height, width = images.shape[2:]
        images = images - images.mean((2, 3), keepdim=True)
        power = torch.fft.fft2(images).abs().square().mean(1) / (height * width)
        waves = [torch.fft.fftfreq(n, 1 / n, dtype=torch.float64, device=images.device) for n in (height, width)]
        radius = torch.cartesian_prod(*waves).square().sum(1).sqrt().round().long()
        sums = torch.zeros(len(images), int(radius.max()) + 1, dtype=torch.float64, device=images.device)
        sums.index_add_(1, radius, power.flatten(1))
        return sums[:, 1:] / radius.bincount()[1:]


class SpectralDistance(Metric):
    """Distance of azimuthally averaged power spectra (Durall et al. 2020, arXiv:2003.01826, sec. 2.1), in dB.

    The root mean square, over spatial frequencies from one wave along the image to the corners of its spectrum, of the
    difference of generated and real mean power in decibels: 0 for equal spectra. What rounding to 8 bits adds is added
    to both, so that noise below it does not count. Checkerboards and blur raise it, whatever the images show.
    """

    kind: Literal["spectral-distance"] = "spectral-distance"
    samples: int = Field(default=1_000, ge=1, le=1_000_000, description="generated samples")
    real: Annotated[int, Field(ge=1, le=10**8)] | None = Field(default=10_000, description="real samples, at most")

    def directions(self) -> Mapping[str, Better | None]:
        """Return the names of its values, and which way each is better."""
        return {"spectral-distance": "lower"}

    def requests(self, source: Source) -> Sequence[SampleRequest]:
        """Mean spectra; a `DataError` where the data are no images."""
        assert source.spec.resolution
        view = Spectrum()
        return SampleRequest(view, self.samples, keep="moments"), SampleRequest(
            view, self.real or sys.maxsize, "real", "moments"
        )

    def measure(self, exam: Exam) -> Measurement:
        """Return the distance and its receipt."""
        fake = exam.moments(Spectrum(), self.samples)
        real = exam.moments(Spectrum(), self.real or sys.maxsize, "real")
        levels = 10 * np.log10((fake.mean + ROUNDING) / (real.mean + ROUNDING))
        return Measurement(
            {"spectral-distance": float(np.sqrt(np.mean(levels**2)))},
            {**exam.receipt(), "fake": fake.count, "real": real.count, "frequencies": len(levels), "dtype": "float64"},
        )
