"""A class whose samples are all alike."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, PositiveInt

from ganforge.api import Finding, LogLine, Monitor, Plan, Watcher, lower_learning_rate, remedies
from ganforge.builtin.monitors.parts.trends import Likeness, Streak

READING = "least_class_distance"


class PartialCollapse(Monitor):
    """Speaks where the samples of at least one class are all alike, while those of all classes together are not.

    Variety within each class, as Odena et al. 2017, arXiv:1610.09585, sec. 4.2, measure it.
    """

    kind: Literal["partial-collapse"] = "partial-collapse"
    rank: ClassVar[int] = 52
    within: float = Field(
        default=0.2, gt=0, lt=1, description="distance within the least varied class, over real ones'"
    )
    overall: float = Field(default=0.4, gt=0, lt=1, description="distance of all samples, over real ones', at least")
    worst: float = Field(default=4.0, gt=1, description="Frechet distance of the worst class, over the mean of all")
    after_rounds: PositiveInt = Field(default=400, description="what an untrained generator makes is all alike, too")
    lines: PositiveInt = Field(default=3, description="lines of the log in a row")

    def build(self, plan: Plan) -> Watcher:
        """Make the watcher."""
        return PartialWatcher(self, plan)


class PartialWatcher(Watcher):
    """Looks at the distance of samples within each class."""

    def __init__(self, monitor: PartialCollapse, plan: Plan) -> None:
        self.monitor, self.plan = monitor, plan
        self.likeness, self.streak, self.far = Likeness(), Streak(), Streak()

    def look(self, line: LogLine) -> list[Finding]:
        """Return a finding where one class has no variety."""
        self.likeness.note(line)
        classes = self._of_metrics(line)
        if classes:
            return [classes]
        within, overall = self.likeness.ratio(line, READING), self.likeness.ratio(line, "distance")
        if within is None or overall is None or line.round < self.monitor.after_rounds:
            return []
        if self.streak.note(within < self.monitor.within and overall > self.monitor.overall) < self.monitor.lines:
            return []
        return [
            self._finding(
                "the samples of at least one class are all alike",
                f"in the least varied class the mean distance is {within:.1%} of that of real samples of one "
                f"class, of all samples {overall:.0%} of real ones'; healthy: half and more",
            )
        ]

    def _of_metrics(self, line: LogLine) -> Finding | None:
        """Return a finding where the worst class is far from the others, twice in a row."""
        for name in line.values:
            worst, mean = line.get(name), line.get(name.removesuffix("-worst"))
            if not name.startswith("per-class") or not name.endswith("-worst") or worst is None or not mean:
                continue
            if self.far.note(worst > self.monitor.worst * mean) >= 2:
                told = f"{name} is {worst:.4g}, the mean over classes {mean:.4g}"
                healthy = f"healthy: under {self.monitor.worst:g} times that"
                return self._finding("the samples of one class are much worse than the others'", f"{told}; {healthy}")
        return None

    def _finding(self, symptom: str, evidence: str) -> Finding:
        plan = self.plan
        return Finding(
            name=self.monitor.kind,
            symptom=symptom,
            evidence=evidence,
            cause="labels say more than latents: the generator learns one sample by heart for a class",
            remedies=remedies(
                plan.added("game.discriminator.augmentations", "diffaugment"),
                lower_learning_rate(plan, "generator", 0.5),
                plan.added("game.discriminator.regularizers", "r1", gamma=0.1),
            ),
        )
