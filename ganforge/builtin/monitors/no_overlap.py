"""A discriminator whose scores of real and of generated samples have not overlapped for long."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, PositiveInt

from ganforge.api import Finding, LogLine, Monitor, Plan, Watcher, lower_learning_rate, remedies
from ganforge.builtin.monitors.parts.remedies import add_ada, lower_learning_rate_to
from ganforge.builtin.monitors.parts.trends import Streak

READING = "discriminator/separation"


class NoOverlap(Monitor):
    """Warns where real samples have scored higher than generated ones, almost all of them, for many rounds.

    Where supports do not overlap a discriminator can be perfect, and what it tells the generator is of little use
    (Arjovsky & Bottou 2017, arXiv:1701.04862, theorems 2.1 and 2.4). Samples may look like real ones in the plainest
    numbers all the while, so that `discriminator-too-strong` is silent. The Wasserstein loss does not saturate, and is
    left alone.
    """

    kind: Literal["no-overlap"] = "no-overlap"
    rank: ClassVar[int] = 26
    separation: float = Field(
        default=0.99, gt=0.5, le=1, description="share of pairs in which the real sample scores higher, over this"
    )
    rounds: PositiveInt = Field(default=1_000, description="for so long without a line in which they overlap")

    def build(self, plan: Plan) -> Watcher:
        """Make the watcher."""
        return NoOverlapWatcher(self, plan)


class NoOverlapWatcher(Watcher):
    """Looks at the share of pairs that are told apart."""

    def __init__(self, monitor: NoOverlap, plan: Plan) -> None:
        self.monitor, self.plan, self.apart = monitor, plan, Streak()

    def look(self, line: LogLine) -> list[Finding]:
        """Return a warning where scores have not overlapped for long."""
        monitor, plan, separation = self.monitor, self.plan, line.get(READING)
        if separation is None or plan.kind("game.loss") == "wasserstein":
            return []
        self.apart.note(separation > monitor.separation, line.round)
        if self.apart.rounds < monitor.rounds:
            return []
        return [
            Finding(
                name=monitor.kind,
                symptom="scores of real and of generated samples do not overlap: there is little to learn from them",
                evidence=f"for {self.apart.rounds:,} rounds over {monitor.separation:.0%} of real samples score higher "
                f"than generated ones, now {separation:.1%}; healthy: they overlap, 60 to 95 %",
                cause="the discriminator learns much faster than the generator, or knows its samples by heart",
                remedies=remedies(
                    lower_learning_rate_to(plan, "discriminator", "generator"),
                    lower_learning_rate(plan, "discriminator"),
                    plan.added("game.discriminator.regularizers", "r1", gamma=1.0, every=16),
                    plan.added("game.discriminator.constraints", "spectral-norm"),
                    add_ada(plan) if "grid/contrast" in line.values else None,
                ),
                severity="warning",
            )
        ]
