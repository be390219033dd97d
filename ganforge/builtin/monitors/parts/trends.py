"""Trends: streaks, likeness to real samples, and the course of a series."""

from __future__ import annotations

import math
import statistics
from abc import abstractmethod
from collections.abc import Sequence

from ganforge.api import Finding, LogLine, Plan, Watcher

IGNORANT = {"minimax": 2 * math.log(2), "non-saturating": 2 * math.log(2), "hinge": 2.0, "relativistic": math.log(2)}


def ignorant(plan: Plan) -> float | None:
    """Return the discriminator's loss where it gives every sample the best one score; None where that is any number."""
    kind = plan.kind("game.loss")
    if kind == "least-squares":
        return ((plan.value("game.loss.b") or 1.0) - (plan.value("game.loss.a") or 0.0)) ** 2 / 4
    loss = IGNORANT.get(kind or "")
    return None if loss is None else 2 * loss if plan.at("game.loss.average") is True else loss


class AtStart(Watcher):
    """Looks at the line before training, and says what it found there ever after: data do not change."""

    def __init__(self) -> None:
        self.found: list[Finding] = []

    def look(self, line: LogLine) -> list[Finding]:
        """Return what was found before training."""
        if line.images == 0 and "data/count" in line.values:
            self.found = self.check(line)
        return self.found

    @abstractmethod
    def check(self, line: LogLine) -> list[Finding]:
        """Return what is wrong with the data of this line."""


class Streak:
    """Counts how many times in a row something held, and for how many rounds."""

    def __init__(self) -> None:
        self.length = self.rounds = self._since = 0

    def note(self, holds: bool, round_: int = 0) -> int:
        """Return the length of the streak with this time in it: 0 where it does not hold."""
        self._since = self._since if self.length else round_
        self.length = self.length + 1 if holds else 0
        self.rounds = round_ - self._since if holds else 0
        return self.length


class Likeness:
    """Compares what generated samples look like (`grid/...`) with real ones (`real/...`, on the first line)."""

    def __init__(self) -> None:
        self.real: dict[str, float] = {}

    def note(self, line: LogLine) -> None:
        """Remember what real samples look like, where the line says so."""
        for name in line.values:
            value = line.get(name)
            if name.startswith("real/") and value is not None:
                self.real[name.removeprefix("real/")] = value

    def ratio(self, line: LogLine, name: str) -> float | None:
        """Return a reading of the generated samples over that of the real ones; None where either is missing or 0."""
        made, real = line.get(f"grid/{name}"), self.real.get(name)
        return None if made is None or not real else made / real

    def apart(self, line: LogLine) -> float | None:
        """Return how far generated samples are from real ones in the plainest numbers: 0 = not at all; None = unknown.

        The largest of: how many spreads of real numbers the means are apart; the logarithm to base 2 of the ratios of
        the spreads of numbers, of distances, and of roughness. Samples of a run that is well come under 1.
        """
        spread, mean = self.spread, line.get("grid/mean")
        if spread is None or mean is None:
            return None
        ratios = [self.ratio(line, name) for name in ("distance", "contrast", "roughness")]
        logs = [abs(math.log2(max(ratio, 1e-6))) for ratio in ratios if ratio is not None]
        return max([abs(mean - self.real["mean"]) / spread, *logs])

    @property
    def spread(self) -> float | None:
        """The standard deviation of the numbers of real samples, near enough; None where it is not known, or 0."""
        if "variance" not in self.real or "mean" not in self.real:
            return None
        return max(math.sqrt(self.real["variance"]), self.real.get("contrast", 0.0)) or None


def turns(values: Sequence[float], least: float) -> list[float]:
    """Return how far values go up and down, one way after the other, oldest first; the last may not be over.

    Args:
        values: in order.
        least: what goes back by less than this is noise.
    """
    ways: list[float] = []
    start = low = high = values[0] if values else 0.0
    up = 0  # 1 = on the way up, -1 = down, 0 = not known yet
    for value in values:
        low, high = min(low, value), max(high, value)
        if up >= 0 and high - value >= least:
            ways += [high - start] if up else []
            up, start, low = -1, high, value
        elif up <= 0 and value - low >= least:
            ways += [start - low] if up else []
            up, start, high = 1, low, value
    last = high - start if up > 0 else start - low
    return [*ways, last] if up else ways


def swings(values: Sequence[float], least: float = 2.0) -> list[float]:
    """Return the factors by which values above 0 rise and fall, oldest first: as `turns`, of their logarithms."""
    return [math.exp(way) for way in turns([math.log(value) for value in values], math.log(least))]


def noise(values: Sequence[float]) -> float:
    """Return the standard deviation of values about a smooth course, from second differences: robust to outliers."""
    second = [abs(a - 2 * b + c) for a, b, c in zip(values, values[1:], values[2:], strict=False)]
    return statistics.median(second) / (0.6745 * math.sqrt(6)) if second else 0.0
