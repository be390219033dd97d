"""Labels that are missing or all the same."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from ganforge.api import Finding, LogLine, Monitor, Plan, Watcher
from ganforge.builtin.monitors.parts.trends import AtStart


class UnlabelledData(Monitor):
    """Speaks before training where labelled data have no labels or one class only; warns where one has most.

    What depends on labels cannot do without: Mirza & Osindero 2014, arXiv:1411.1784.
    """

    kind: Literal["unlabelled-data"] = "unlabelled-data"
    rank: ClassVar[int] = 6
    largest: float = Field(default=0.9, gt=0, le=1, description="share of the labelled samples in the largest class")

    def build(self, plan: Plan) -> Watcher:
        """Make the watcher."""
        return UnlabelledDataWatcher(self)


class UnlabelledDataWatcher(AtStart):
    """Looks at the line before training."""

    def __init__(self, monitor: UnlabelledData) -> None:
        super().__init__()
        self.monitor = monitor

    def check(self, line: LogLine) -> list[Finding]:
        """Return a finding where labels tell nothing."""
        labelled, seen = line.get("data/labelled"), line.get("data/classes_seen")
        if labelled is None or seen is None:
            return []
        largest = line.get("data/largest_class") or 0.0
        if labelled > 0 and seen > 1 and largest < self.monitor.largest:
            return []
        told = (
            "none of the real samples looked at has a label"
            if labelled == 0 or seen == 0
            else f"{seen:.0f} class{'es' * (seen > 1)} seen, and {largest:.1%} of the labelled samples are of one"
        )
        return [
            Finding(
                name=self.monitor.kind,
                symptom="the labels of the real samples tell nothing",
                evidence=f"{told}; of labelled data, several classes, none with more than {self.monitor.largest:.0%}",
                cause="labels that were lost or not read, an index that always says the same, or data sorted by class "
                "of which only the beginning was taken",
                severity="failure" if labelled == 0 or seen <= 1 else "warning",
            )
        ]
