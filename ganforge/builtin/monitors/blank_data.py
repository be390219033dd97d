"""Real samples without content."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from ganforge.api import Finding, LogLine, Monitor, Plan, Watcher
from ganforge.builtin.monitors.parts.trends import AtStart


class BlankData(Monitor):
    """Speaks before training where many real samples are one plain colour: unread files, or a wrong scale.

    Data are to be checked before they are trained on (Breck et al. 2019, Data Validation for Machine Learning).
    """

    kind: Literal["blank-data"] = "blank-data"
    rank: ClassVar[int] = 2
    share: float = Field(
        default=0.05, gt=0, le=1, description="of real samples that are all one number; half is a failure"
    )

    def build(self, plan: Plan) -> Watcher:
        """Make the watcher."""
        return BlankDataWatcher(self)


class BlankDataWatcher(AtStart):
    """Looks at the line before training."""

    def __init__(self, monitor: BlankData) -> None:
        super().__init__()
        self.monitor = monitor

    def check(self, line: LogLine) -> list[Finding]:
        """Return a finding where too many samples are constant."""
        share = line.get("data/constant")
        if share is None or share < self.monitor.share:
            return []
        low, high = line.get("data/min"), line.get("data/max")
        seen = "" if low is None or high is None else f"; all numbers are in [{low:g}, {high:g}], images span [-1, 1]"
        return [
            Finding(
                name=self.monitor.kind,
                symptom="many real samples are one plain colour",
                evidence=f"{share:.0%} of the real samples hold one number only, of photographs none{seen}",
                cause="files that are empty or were read wrongly, or a scale that rounds everything to one level",
                severity="failure" if share >= 0.5 else "warning",
            )
        ]
