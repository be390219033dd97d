"""Generated images and real ones are numbers of different ranges."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from ganforge.api import Finding, LogLine, Monitor, Plan, Watcher

NONE_BELOW = -0.01  # numbers of images in [0, 1] or [0, 255] are above this


class RangeMismatch(Monitor):
    """Speaks where images of the generator and real images, which belong in [-1, 1], have different ranges.

    Real images are scaled to the range of the generator's tanh since Radford et al. 2015, arXiv:1511.06434, sec. 4.

    Generated ones that never were negative while real ones are: a sigmoid where a tanh should be. Real ones beyond what
    the generator reaches, or never negative: data that were not normalised.
    """

    kind: Literal["range-mismatch"] = "range-mismatch"
    rank: ClassVar[int] = 10
    beyond: float = Field(default=1.5, gt=1, description="real images with numbers over this are not in [-1, 1]")

    def build(self, plan: Plan) -> Watcher:
        """Make the watcher."""
        return RangeWatcher(self)


class RangeWatcher(Watcher):
    """Compares ranges; of points (without `contrast`) it says nothing."""

    def __init__(self, monitor: RangeMismatch) -> None:
        self.monitor = monitor
        self.real: tuple[float, float] | None = None
        self.made: tuple[float, float] | None = None
        self.lines = 0

    def look(self, line: LogLine) -> list[Finding]:
        """Return a finding where ranges do not fit."""
        self.real = self._range(line, "data", self.real)
        before, self.made = self.made, self._range(line, "grid", self.made)
        if self.real is None or self.made is None or line.get("grid/contrast") is None:
            return []
        self.lines += 1
        (low, high), (least, most) = self.real, self.made
        told = None
        if low < -0.2 and least > NONE_BELOW and before is not None and most > 0.1:
            told = (
                "no number of a generated image was ever negative, real ones go down to that",
                "the generator ends in a sigmoid, or its samples are taken to [0, 1], while the data are in [-1, 1]",
            )
        elif max(high, -low) > self.monitor.beyond:
            told = (
                "images are numbers in [-1, 1], and a tanh reaches no further",
                "the data are not normalised: they must be given as uint8, or as floats in [-1, 1]",
            )
        elif low > NONE_BELOW and high > 0.1 and least < NONE_BELOW:
            told = (
                "no number of a real image is negative, those of generated ones are",
                "the data are in [0, 1]: they must be given as uint8, or as floats in [-1, 1]",
            )
        if told is None:
            return []
        ranges = f"real images are in [{low:.3g}, {high:.3g}], generated ones so far in [{least:.3g}, {most:.3g}]"
        return [
            Finding(
                name=self.monitor.kind,
                symptom="real and generated images are numbers of different ranges: one number tells them apart",
                evidence=f"{ranges}; {told[0]}",
                cause=told[1],
            )
        ]

    @staticmethod
    def _range(line: LogLine, group: str, known: tuple[float, float] | None) -> tuple[float, float] | None:
        """Return the range of a group with what the line says of it."""
        low, high = line.get(f"{group}/min"), line.get(f"{group}/max")
        if low is None or high is None:
            return known
        return (low, high) if known is None else (min(low, known[0]), max(high, known[1]))
