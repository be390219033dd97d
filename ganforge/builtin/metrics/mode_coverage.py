"""Modes of a known mixture that the generator reaches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from ganforge.api import Better, DataError, Exam, KnownModes, Measurement, Metric, SampleRequest, Samples, Source


class ModeCoverage(Metric):
    """Modes covered, share of good samples, and reverse KL (Srivastava et al. 2017, arXiv:1705.07761, sec. 4.1).

    A sample belongs to its nearest mode, and is of high quality within `radius` standard deviations of it. The reverse
    KL, sum_m q_m ln(q_m / p_m), compares the shares q of the modes among the samples with the true ones p.

    Values: `modes-covered` (a number), `high-quality` (a share), `reverse-kl` (in nats, lower is better).
    """

    kind: Literal["mode-coverage"] = "mode-coverage"
    samples: int = Field(default=2_500, ge=1, le=1_000_000, description="generated samples")
    radius: float = Field(default=3.0, gt=0, le=10, description="standard deviations that a good sample keeps within")
    min_fraction: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="a mode is covered by this share of its fair number of good samples, or one",
    )

    @classmethod
    def is_usual(cls, source: Source) -> bool:
        """Of points whose modes are known."""
        return isinstance(source, KnownModes) and len(source.spec.shape) != 3

    def directions(self) -> Mapping[str, Better | None]:
        """Return the names of its values, and which way each is better."""
        return {"modes-covered": "higher", "high-quality": "higher", "reverse-kl": "lower"}

    def requests(self, source: Source) -> Sequence[SampleRequest]:
        """The samples themselves.

        Raises:
            DataError: the data do not say where their modes are.
        """
        if not isinstance(source, KnownModes):
            raise DataError(
                "mode-coverage needs data whose modes are known; choose data such as ring or grid, or another metric"
            )
        return (SampleRequest(Samples(), self.samples),)

    def measure(self, exam: Exam) -> Measurement:
        """Return the three values and their receipt."""
        source = exam.source
        assert isinstance(source, KnownModes)
        modes = torch.as_tensor(source.modes, dtype=torch.float64)
        samples = exam.rows(Samples(), self.samples).double()
        covered, good, divergence = coverage(samples, modes, source.std * self.radius, self.min_fraction)
        return Measurement(
            {"modes-covered": float(covered), "high-quality": good, "reverse-kl": divergence},
            {
                **exam.receipt(),
                "fake": len(samples),
                "modes": len(modes),
                "radius": self.radius,
                "min_fraction": self.min_fraction,
            },
        )


def coverage(samples: Tensor, modes: Tensor, reach: float, min_fraction: float = 0.0) -> tuple[int, float, float]:
    """Count what `ModeCoverage` tells.

    Args:
        samples: [N, D].
        modes: [M, D], equally likely.
        reach: how far a good sample is from its mode at most.
        min_fraction: of the fair number N/M of good samples that a covered mode has at least; at least one.

    Returns:
        Modes covered, share of good samples in [0, 1], reverse KL in nats.
    """
    distance, nearest = torch.cdist(samples, modes).min(dim=1)
    good = torch.bincount(nearest[distance <= reach], minlength=len(modes))
    needed = max(1.0, min_fraction * len(samples) / len(modes))
    shares = torch.bincount(nearest, minlength=len(modes)).double() / len(samples)
    divergence = torch.special.xlogy(shares, shares * len(modes)).sum()
    return int((good >= needed).sum()), good.sum().item() / len(samples), divergence.item()
