"""Few real samples."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, PositiveInt

from ganforge.api import Finding, LogLine, Monitor, Plan, Watcher, remedies
from ganforge.builtin.monitors.parts.remedies import add_ada
from ganforge.builtin.monitors.parts.trends import AtStart


class LittleData(Monitor):
    """Warns before training on so few samples that a discriminator knows them by heart (arXiv:2006.06676, fig. 1)."""

    kind: Literal["little-data"] = "little-data"
    rank: ClassVar[int] = 8
    count: PositiveInt = Field(default=300, description="fewer real samples than this are few, without augmentation")

    def build(self, plan: Plan) -> Watcher:
        """Make the watcher."""
        return LittleDataWatcher(self, plan)


class LittleDataWatcher(AtStart):
    """Looks at the line before training."""

    def __init__(self, monitor: LittleData, plan: Plan) -> None:
        super().__init__()
        self.monitor, self.plan = monitor, plan

    def check(self, line: LogLine) -> list[Finding]:
        """Return a warning where there are few samples and nothing is done about it."""
        count, key = line.get("data/count"), "game.discriminator.augmentations"
        helped = {"ada", "apa", "diffaugment"} & set(self.plan.kinds(key)) or self.plan.at("game.generator.start")
        if count is None or not 1 < count < self.monitor.count or helped:
            return []
        image = line.get("data/roughness_down") is not None
        return [
            Finding(
                name=self.monitor.kind,
                symptom="there are few real samples, and the discriminator sees them as they are",
                evidence=f"{count:,.0f} real samples, each to be shown {self.plan.images / count:,.0f} times; under "
                f"{self.monitor.count:,} the discriminator soon knows them by heart",
                cause="a small data set, or a part of one taken by mistake",
                remedies=remedies(add_ada(self.plan), self.plan.added(key, "diffaugment")) if image else (),
                severity="warning",
            )
        ]
