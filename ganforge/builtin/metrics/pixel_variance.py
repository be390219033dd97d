"""The variance of generated samples, pixel by pixel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from ganforge.api import Better, Exam, Measurement, Metric, SampleRequest, Samples, Source, to_float


class PixelVariance(Metric):
    """Variance over samples, averaged over pixels: near 0 when the generator makes one image for all latents.

    It is the squared pixel difference of two samples, halved and averaged over pairs and pixels; images are in [-1, 1],
    points in data units. Collapse to one mode is the failure of Goodfellow 2016 (arXiv:1701.00160, sec. 5.1.1). Values:
    `pixel-variance`, and `pixel-variance-of-real`, of as many real samples where there are two: what to compare
    with.
    """

    kind: Literal["pixel-variance"] = "pixel-variance"
    rank: ClassVar[int] = 5
    samples: int = Field(default=1_000, ge=2, le=1_000_000, description="generated samples, and real ones beside them")

    @classmethod
    def is_usual(cls, source: Source) -> bool:
        """Of images."""
        return len(source.spec.shape) == 3

    def directions(self) -> Mapping[str, Better | None]:
        """Return the names of its values, and which way each is better."""
        return {"pixel-variance": "higher", "pixel-variance-of-real": None}

    def requests(self, source: Source) -> Sequence[SampleRequest]:
        """Generated and real samples themselves."""
        wanted = SampleRequest(Samples(), self.samples)
        return (wanted, SampleRequest(Samples(), self.samples, "real")) if len(source) > 1 else (wanted,)

    def measure(self, exam: Exam) -> Measurement:
        """Return the unbiased variances and their receipt."""
        fake = exam.rows(Samples(), self.samples)
        values, counts = {"pixel-variance": variance(fake)}, {"fake": len(fake)}
        if len(exam.source) > 1:
            real = exam.rows(Samples(), self.samples, "real")
            values["pixel-variance-of-real"], counts["real"] = variance(real), len(real)
        return Measurement(values, {**exam.receipt(), **counts})


def variance(samples: Tensor) -> float:
    """Return the variance over samples [N, *shape] as they would be saved, averaged over pixels; N >= 2."""
    total = torch.zeros(samples.shape[1:], dtype=torch.float64)
    squares = torch.zeros_like(total)
    for part in torch.split(samples, 64):
        numbers = to_float(part).double()
        total += numbers.sum(0)
        squares += numbers.square().sum(0)
    found = (squares - total.square() / len(samples)) / (len(samples) - 1)
    return found.clamp(min=0).mean().item()
