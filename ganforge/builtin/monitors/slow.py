"""A run that has become slow."""

from __future__ import annotations

import statistics
from typing import ClassVar, Literal

from pydantic import Field, PositiveInt

from ganforge.api import Finding, LogLine, Monitor, Plan, Series, Watcher
from ganforge.builtin.monitors.parts.trends import Streak

RECENT = 200  # lines that a line is compared with


class Slow(Monitor):
    """Warns where images are shown at less than half the speed of before, and not by plan.

    What is compared is images in a second, as benchmarks of training do (Mattson et al. 2020, arXiv:1910.01500).
    """

    kind: Literal["slow"] = "slow"
    rank: ClassVar[int] = 95
    share: float = Field(default=0.4, gt=0, lt=1, description="of the median speed of up to 200 lines before")
    lines: PositiveInt = Field(default=6, description="lines of the log in a row")

    def build(self, plan: Plan) -> Watcher:
        """Make the watcher."""
        return SlowWatcher(self, plan)


class SlowWatcher(Watcher):
    """Looks at `speed/images_per_second`, of games that do not grow."""

    def __init__(self, monitor: Slow, plan: Plan) -> None:
        self.monitor, self.series, self.streak = monitor, Series("speed/images_per_second"), Streak()
        self.grows = plan.at("game.growth") is not None or bool(plan.at("run.batches", []))

    def look(self, line: LogLine) -> list[Finding]:
        """Return a warning where the speed has dropped for long."""
        before = self.series.last(RECENT)
        if self.grows or not self.series.note(line) or len(before) < 5:
            return []
        usual, now = statistics.median(before), self.series.values[-1]
        if self.streak.note(now < self.monitor.share * usual) < self.monitor.lines:
            return []
        return [
            Finding(
                name=self.monitor.kind,
                symptom="the run has become slow",
                evidence=f"{now:,.0f} images a second, for {self.streak.length} lines of the log; before, {usual:,.0f}",
                cause="other work on the machine, a processor that is too hot, memory that is swapped, or slow storage",
                severity="warning",
            )
        ]
