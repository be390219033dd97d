"""A class whose samples are all alike."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, PositiveInt

from ganforge.builtin.monitors.course import Likeness, Streak, gentler
from ganforge.families import Monitor
from ganforge.monitor import Finding, Line, Plan, Watcher, remedies

READING = "least_class_distance"


class PartialCollapse(Monitor):
    """Speaks where the samples of at least one class are all alike, while those of all classes together are not."""

    kind: Literal["partial-collapse"] = "partial-collapse"
    rank: ClassVar[int] = 52
    within: float = Field(
        default=0.2, gt=0, lt=1, description="distance within the least varied class, over real ones'"
    )
    overall: float = Field(default=0.4, gt=0, lt=1, description="distance of all samples, over real ones', at least")
    after_rounds: PositiveInt = Field(default=400, description="what an untrained generator makes is all alike, too")
    lines: PositiveInt = Field(default=3, description="lines of the log in a row")

    def build(self, plan: Plan) -> Watcher:
        """Make the watcher."""
        return PartialWatcher(self, plan)


class PartialWatcher(Watcher):
    """Looks at the distance of samples within each class."""

    def __init__(self, monitor: PartialCollapse, plan: Plan) -> None:
        self.monitor, self.plan = monitor, plan
        self.likeness, self.streak = Likeness(), Streak()

    def look(self, line: Line) -> list[Finding]:
        """Return a finding where one class has no variety."""
        self.likeness.note(line)
        within, overall = self.likeness.share(line, READING), self.likeness.share(line, "distance")
        if within is None or overall is None or line.round < self.monitor.after_rounds:
            return []
        if self.streak.note(within < self.monitor.within and overall > self.monitor.overall) < self.monitor.lines:
            return []
        plan = self.plan
        return [
            Finding(
                name=self.monitor.kind,
                symptom="the samples of at least one class are all alike",
                evidence=f"in the least varied class the mean distance is {within:.1%} of that of real samples of one "
                f"class, of all samples {overall:.0%} of real ones'; healthy: half and more",
                cause="labels say more than latents: the generator learns one sample by heart for a class",
                remedies=remedies(
                    plan.added("game.discriminator.augmentations", "diffaugment"),
                    gentler(plan, "generator", 0.5),
                    plan.added("game.discriminator.regularizers", "r1", gamma=0.1),
                ),
            )
        ]
