"""Generated images without content."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, PositiveInt

from ganforge.api import Finding, LogLine, Monitor, Plan, Watcher, lower_learning_rate, remedies
from ganforge.builtin.monitors.parts.trends import Likeness, Streak


class ConstantOutput(Monitor):
    """Speaks where generated images are one plain colour each, long after the start.

    That deep generators without normalisation do not begin to learn: Radford et al. 2015, arXiv:1511.06434, sec. 3.
    """

    kind: Literal["constant-output"] = "constant-output"
    rank: ClassVar[int] = 45
    contrast: float = Field(default=0.08, gt=0, lt=1, description="within generated images, over that of real ones")
    after_rounds: PositiveInt = Field(default=250, description="an untrained generator is grey, too")
    lines: PositiveInt = Field(default=2, description="lines of the log in a row")

    def build(self, plan: Plan) -> Watcher:
        """Make the watcher."""
        return ConstantOutputWatcher(self, plan)


class ConstantOutputWatcher(Watcher):
    """Looks at the contrast within images of fixed latents."""

    def __init__(self, monitor: ConstantOutput, plan: Plan) -> None:
        self.monitor, self.plan = monitor, plan
        self.likeness, self.streak = Likeness(), Streak()

    def look(self, line: LogLine) -> list[Finding]:
        """Return a finding where there is no contrast."""
        self.likeness.note(line)
        share, made = self.likeness.ratio(line, "contrast"), line.get("grid/contrast")
        if share is None or made is None or line.round < self.monitor.after_rounds:
            return []
        if self.streak.note(share < self.monitor.contrast) < self.monitor.lines:
            return []
        mean = line.get("grid/mean") or 0.0
        shade = "black" if mean < -0.9 else "white" if mean > 0.9 else "grey"
        return [
            Finding(
                name=self.monitor.kind,
                symptom=f"generated images are plain, nearly {shade}: their pixels hardly differ",
                evidence=f"contrast {made:.3g}, {share:.1%} of that of real images, after {line.round:,} rounds "
                f"(mean of all pixels {mean:.2f}); healthy: 50 % and more",
                cause="a generator that was driven to where its activation is flat, or output that is scaled down",
                remedies=remedies(
                    lower_learning_rate(self.plan, "generator"),
                    self.plan.changed("game.generator.network.norm", "batch"),
                    lower_learning_rate(self.plan, "discriminator"),
                ),
            )
        ]
