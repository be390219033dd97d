"""Real images whose pixels are not where they belong."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from ganforge.api import Finding, LogLine, Monitor, Plan, Watcher
from ganforge.builtin.monitors.parts.trends import AtStart


class ScrambledData(Monitor):
    """Warns before training where real images are noise, or change much faster one way than the other.

    Photographs are smooth, and as smooth down as across: their power spectrum falls as 1/f^2 in both directions
    (Field 1987, doi 10.1364/JOSAA.4.002379). Rows read as channels, or a height and width that were exchanged, are not.
    """

    kind: Literal["scrambled-data"] = "scrambled-data"
    rank: ClassVar[int] = 5
    roughness: float = Field(default=0.6, gt=0, description="how much neighbouring pixels differ: 1 = noise")
    ratio: float = Field(default=4.0, gt=1, description="of the roughness one way to that the other way")

    def build(self, plan: Plan) -> Watcher:
        """Make the watcher."""
        return ScrambledWatcher(self)


class ScrambledWatcher(AtStart):
    """Looks at the line before training."""

    def __init__(self, monitor: ScrambledData) -> None:
        super().__init__()
        self.monitor = monitor

    def check(self, line: LogLine) -> list[Finding]:
        """Return a warning where neighbours are not alike."""
        down, across = line.get("data/roughness_down"), line.get("data/roughness_across")
        if down is None or across is None or min(down, across) <= 0:
            return []
        ratio = max(down, across) / min(down, across)
        if min(down, across) < self.monitor.roughness and ratio < self.monitor.ratio:
            return []
        colours = line.get("data/channel_distance")
        channels = "" if colours is None else f"; neighbouring channels differ by {colours:.2f} of the spread"
        return [
            Finding(
                name=self.monitor.kind,
                symptom="the pixels of real images do not seem to be where they belong",
                evidence=f"neighbours differ by {down:.2f} down and {across:.2f} across, where 1 is noise{channels}; "
                "photographs: under 0.3, both ways alike",
                cause="the order of the axes: height, width and channels were exchanged, or reshaped and not "
                " transposed; or images that are noise",
                severity="warning",
            )
        ]
