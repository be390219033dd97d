"""How much the generated samples differ from each other, pixel by pixel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from pydantic import Field

from ganforge.data import Source, to_float
from ganforge.families import Better, Metric
from ganforge.metric import Exam, Measurement, Samples, Want


class PixelVariance(Metric):
    """Variance over samples, averaged over pixels: near 0 when the generator makes one image for all latents.

    It is the squared pixel difference of two samples, halved and averaged over pairs and pixels; images are in [-1, 1],
    points in data units. Collapse to one mode is the failure of Goodfellow 2016 (arXiv:1701.00160, sec. 5.1.1).
    """

    kind: Literal["pixel-variance"] = "pixel-variance"
    samples: int = Field(default=1_000, ge=2, le=1_000_000, description="generated samples")

    def tells(self) -> Mapping[str, Better]:
        """Return the names of its values, and which way each is better."""
        return {"pixel-variance": "higher"}

    def wants(self, source: Source) -> Sequence[Want]:
        """The samples themselves."""
        return (Want(Samples(), self.samples),)

    def measure(self, exam: Exam) -> Measurement:
        """Return the unbiased variance and its receipt."""
        rows = exam.rows(Samples(), self.samples)
        total = torch.zeros(rows.shape[1:], dtype=torch.float64)
        squares = torch.zeros_like(total)
        for part in torch.split(rows, 64):
            samples = to_float(part).double()
            total += samples.sum(0)
            squares += samples.square().sum(0)
        variance = (squares - total.square() / len(rows)) / (len(rows) - 1)
        value = variance.clamp(min=0).mean().item()
        return Measurement({"pixel-variance": value}, {**exam.receipt(), "fake": len(rows)})
