"""How much the generated samples differ from each other, pixel by pixel."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from pydantic import Field

from ganforge.data import to_float
from ganforge.families import Metric
from ganforge.metric import Exam, Measurement


class PixelVariance(Metric):
    """Variance over samples, averaged over pixels: near 0 when the generator makes one image for all latents.

    It is the squared pixel difference of two samples, halved and averaged over pairs and pixels; images are in [-1, 1],
    points in data units. Collapse to one mode is the failure of Goodfellow 2016 (arXiv:1701.00160, sec. 5.1.1).
    """

    kind: Literal["pixel-variance"] = "pixel-variance"
    better: ClassVar[Literal["lower", "higher"]] = "higher"
    samples: int = Field(default=1_000, ge=2, le=1_000_000, description="generated samples")

    def measure(self, exam: Exam) -> Measurement:
        """Return the unbiased variance and its receipt."""
        total = torch.zeros(exam.source.spec.shape, dtype=torch.float64)
        squares = torch.zeros_like(total)
        for batch in exam.fakes(self.samples):
            samples = to_float(batch.cpu()).double()
            total += samples.sum(0)
            squares += samples.square().sum(0)
        variance = (squares - total.square() / self.samples) / (self.samples - 1)
        value = variance.clamp(min=0).mean().item()
        return Measurement({"pixel-variance": value}, {**exam.receipt(), "fake": self.samples})
