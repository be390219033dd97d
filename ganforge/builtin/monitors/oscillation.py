"""Two players that chase each other."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, PositiveInt

from ganforge.api import Finding, LogLine, Monitor, Plan, Series, Watcher, lower_learning_rate, remedies
from ganforge.builtin.monitors.parts.trends import Likeness, swings, turns


class Oscillation(Monitor):
    """Speaks where losses, or the mean of what is generated, swing to and fro and do not come to rest.

    Simultaneous steps of two players circle about the equilibrium (Mescheder et al. 2018, arXiv:1801.04406); penalties
    of the gradient, and smaller steps, make the circles shrink.
    """

    kind: Literal["oscillation"] = "oscillation"
    rank: ClassVar[int] = 48
    factor: float = Field(default=3.0, gt=1, description="by which the discriminator's loss rises and falls")
    spreads: float = Field(default=0.5, gt=0, description="of real samples: what the mean of generated ones moves by")
    turns: PositiveInt = Field(default=4, description="swings to be seen, of which the newest are no smaller")
    lines: PositiveInt = Field(default=30, description="newest lines of the log")
    after_rounds: PositiveInt = Field(default=200, description="what comes before is the beginning")

    def build(self, plan: Plan) -> Watcher:
        """Make the watcher."""
        return OscillationWatcher(self, plan)


class OscillationWatcher(Watcher):
    """Looks for turning points."""

    def __init__(self, monitor: Oscillation, plan: Plan) -> None:
        self.monitor, self.plan, self.likeness = monitor, plan, Likeness()
        self.loss, self.mean = Series("discriminator/adversarial"), Series("grid/mean")

    def look(self, line: LogLine) -> list[Finding]:
        """Return a finding where swings do not shrink."""
        self.likeness.note(line)
        if line.round < self.monitor.after_rounds or "discriminator/adversarial" not in line.values:
            return []
        found = [*self._of_loss(line), *self._of_mean(line)]
        if not found:
            return []
        plan, apart = self.plan, self.likeness.apart(line)
        regularized = "game.discriminator.regularizers"
        return [
            Finding(
                name=self.monitor.kind,
                symptom="the players chase each other: values swing to and fro and do not come to rest",
                evidence="; ".join(found),
                cause="steps that are too long for two players who answer each other, with nothing that damps them",
                remedies=remedies(
                    lower_learning_rate(plan, "discriminator", 0.5),
                    lower_learning_rate(plan, "generator", 0.5),
                    plan.added(regularized, "r1", gamma=0.1),
                    plan.added(regularized, "r2", gamma=0.1),
                ),
                severity="failure" if apart is not None and apart > 1 else "warning",
            )
        ]

    def _of_loss(self, line: LogLine) -> list[str]:
        if not self.loss.note(line) or self.plan.kind("game.loss") == "wasserstein":
            return []
        values = self.loss.last(self.monitor.lines)
        seen = swings(values, self.monitor.factor) if min(values) > 0 else []
        if not self._lasts(seen):
            return []
        told = ", ".join(f"{swing:.1f}" for swing in seen[-self.monitor.turns :])
        return [f"{self.loss.name} rose and fell by factors of {told} (healthy: under 2, or less from swing to swing)"]

    def _of_mean(self, line: LogLine) -> list[str]:
        spread = self.likeness.spread
        if not self.mean.note(line) or spread is None:
            return []
        ways = turns(self.mean.last(self.monitor.lines), self.monitor.spreads * spread)
        if not self._lasts(ways):
            return []
        told = ", ".join(f"{way / spread:.1f}" for way in ways[-self.monitor.turns :])
        return [f"the mean of samples went to and fro by {told} times the spread of real ones (healthy: under 0.2)"]

    def _lasts(self, seen: list[float]) -> bool:
        """Whether there are swings enough, and the newest no smaller than the first; the very last is not over yet."""
        whole = seen[:-1][-self.monitor.turns :]
        return len(whole) >= self.monitor.turns and max(whole[-2:]) >= 0.8 * max(whole[:2])
