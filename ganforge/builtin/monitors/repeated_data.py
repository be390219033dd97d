"""The same real samples again and again."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from ganforge.api import Finding, LogLine, Monitor, Plan, Watcher
from ganforge.builtin.monitors.parts.trends import AtStart


class RepeatedData(Monitor):
    """Speaks before training where the data set is one sample, or much of it copies of others of its samples.

    Good data sets have some near copies, too: 3 % of CIFAR-10's test images (Barz & Denzler 2020, arXiv:1902.00423).
    """

    kind: Literal["repeated-data"] = "repeated-data"
    rank: ClassVar[int] = 4
    share: float = Field(
        default=0.1, gt=0, le=1, description="of real samples that are copies of others; half of them is a failure"
    )

    def build(self, plan: Plan) -> Watcher:
        """Make the watcher."""
        return RepeatedDataWatcher(self)


class RepeatedDataWatcher(AtStart):
    """Looks at the line before training."""

    def __init__(self, monitor: RepeatedData) -> None:
        super().__init__()
        self.monitor = monitor

    def check(self, line: LogLine) -> list[Finding]:
        """Return a finding where there is one sample, or too many copies."""
        count, share = line.get("data/count"), line.get("data/duplicates")
        if count is None or share is None or (count > 1 and share < self.monitor.share):
            return []
        alone = count <= 1
        told = (
            "the data set holds a single sample" if alone else f"{share:.0%} of the real samples are copies of others"
        )
        return [
            Finding(
                name=self.monitor.kind,
                symptom="real samples repeat: there is far less to learn than the data set's size says",
                evidence=f"{told}, of {count:,.0f} in all; healthy: next to none (under 1 %)",
                cause="the wrong folder or index, one file copied many times, or a data set that was joined twice",
                severity="failure" if alone or share >= 0.5 else "warning",
            )
        ]
