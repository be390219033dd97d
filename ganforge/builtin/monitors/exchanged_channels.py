"""Real images whose red and blue may have been exchanged."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from ganforge.api import Finding, LogLine, Monitor, Plan, Watcher
from ganforge.builtin.monitors.parts.trends import AtStart


class ExchangedChannels(Monitor):
    """Warns before training where real colour images are mostly blue, and not because of a sky.

    Of photographs many more are reddish than bluish (60 % and 22 % of CIFAR-10, Krizhevsky 2009), and what is blue is
    often above; where red and blue were exchanged, as by writing with OpenCV what was read otherwise, it is the other
    way round. Drawings, and seas without a horizon, may be blue in earnest: it is never more than a hint.
    """

    kind: Literal["exchanged-channels"] = "exchanged-channels"
    rank: ClassVar[int] = 6
    cool: float = Field(default=0.4, gt=0, le=1, description="share of bluish images from which on it is said")
    ratio: float = Field(default=2.0, ge=1, description="of bluish to reddish images from which on it is said")
    sky: float = Field(default=0.01, ge=0, description="the upper half is bluer than the lower one by less than this")
    samples: int = Field(default=32, ge=1, description="of fewer nothing is said")

    def build(self, plan: Plan) -> Watcher:
        """Make the watcher."""
        return ExchangedWatcher(self)


class ExchangedWatcher(AtStart):
    """Looks at the line before training."""

    def __init__(self, monitor: ExchangedChannels) -> None:
        super().__init__()
        self.monitor = monitor

    def check(self, line: LogLine) -> list[Finding]:
        """Return a warning where images are mostly blue."""
        monitor, count = self.monitor, line.get("data/count")
        warm, cool, sky = (line.get(f"data/{name}") for name in ("warm", "cool", "sky"))
        if warm is None or cool is None or sky is None or (count is not None and count < monitor.samples):
            return []
        if cool < monitor.cool or cool < monitor.ratio * warm or sky >= monitor.sky:
            return []
        return [
            Finding(
                name=monitor.kind,
                symptom="real images are mostly blue, as where red and blue were exchanged",
                evidence=f"{cool:.0%} have clearly more blue than red and {warm:.0%} more red than blue; photographs: "
                f"rather the other way round. The upper half is bluer than the lower by {sky:+.3f} of a range of 2, "
                "where skies would show",
                cause="files written by OpenCV, which keeps blue first, from images that had red first, or the "
                "reverse; look at a few of them. Nothing is wrong if they are blue in earnest",
                severity="warning",
            )
        ]
