"""A straight line through what was measured over time, and whether it stands out of the noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

SIGMAS = 3.0


@dataclass(frozen=True)
class Trend:
    """A line fitted by least squares.

    Args:
        slope: per hour.
        error: its standard error, neighbours' noise being alike taken into account.
        mean: of all values.
    """

    slope: float
    error: float
    mean: float

    @property
    def relative(self) -> float:
        """The slope per hour as a share of the mean."""
        return self.slope / self.mean

    def grows(self, allowed: float) -> bool:
        """Whether it rises out of the noise and by more than a share of the mean per hour."""
        return self.slope > SIGMAS * self.error and self.relative > allowed


def trend(hours: Sequence[float], values: Sequence[float]) -> Trend:
    """Fit a line; its error after Newey and West (1987), who let noise last for n^(1/3) values."""
    x, y = np.asarray(hours, float), np.asarray(values, float)
    centred = x - x.mean()
    spread = float(centred @ centred)
    slope = float(centred @ y) / spread
    noise = centred * (y - y.mean() - slope * centred)
    lags = int(np.ceil(len(x) ** (1 / 3)))
    total = float(noise @ noise)
    for lag in range(1, min(lags, len(x) - 1) + 1):
        total += 2 * (1 - lag / (lags + 1)) * float(noise[lag:] @ noise[:-lag])
    freedom = len(x) / max(len(x) - 2, 1)
    return Trend(slope, float(np.sqrt(max(total, 0.0) * freedom)) / spread, float(y.mean()))
