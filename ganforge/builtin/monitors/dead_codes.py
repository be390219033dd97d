"""Codes that samples tell nothing about."""

from __future__ import annotations

import math
from typing import ClassVar, Literal

from pydantic import Field, PositiveInt

from ganforge.api import Finding, LogLine, Monitor, Plan, Watcher, remedies
from ganforge.builtin.monitors.parts.trends import Streak


class DeadCodes(Monitor):
    """Warns where InfoGAN's codes change nothing in samples (Chen et al. 2016, arXiv:1606.03657, sec. 7.1).

    The terms are the lower bound of what samples tell about the codes, times -lambda. That of categorical codes comes
    to the sum of log K, as in the paper's fig. 1, once each value makes samples of its own.
    """

    kind: Literal["dead-codes"] = "dead-codes"
    rank: ClassVar[int] = 54
    share: float = Field(default=0.1, gt=0, lt=1, description="of what samples could tell about categorical codes")
    nats: float = Field(default=0.01, gt=0, description="that samples tell about a continuous code")
    after_rounds: PositiveInt = Field(default=750, description="it takes a while until samples tell anything")
    lines: PositiveInt = Field(default=4, description="lines of the log in a row")

    def build(self, plan: Plan) -> Watcher:
        """Make the watcher."""
        return DeadCodesWatcher(self, plan)


class DeadCodesWatcher(Watcher):
    """Looks at the generator's information terms."""

    def __init__(self, monitor: DeadCodes, plan: Plan) -> None:
        self.monitor, self.plan = monitor, plan
        self.streaks = {"categorical": Streak(), "continuous": Streak()}

    def look(self, line: LogLine) -> list[Finding]:
        """Return a warning where codes of either sort are dead; they share a name."""
        found = []
        for sort, streak in self.streaks.items():
            term, key = line.get(f"generator/{sort}-information"), f"game.{sort}_weight"
            weight = self.plan.value(key, line.images)
            if term is None or not weight or line.round < self.monitor.after_rounds:
                continue
            told, whole = -term / weight, self._whole(sort)
            limit = self.monitor.share * whole if sort == "categorical" else self.monitor.nats * whole
            if streak.note(told < limit) >= self.monitor.lines:
                found.append(self._finding(sort, told, whole, limit))
        return found

    def _whole(self, sort: str) -> float:
        """Return what there is to be told, in nats; of continuous codes, which have no end, their number."""
        if sort == "continuous":
            return float(self.plan.value("game.continuous") or 1)
        return sum(math.log(values) for values in self.plan.at("game.categories", [])) or 1.0

    def _finding(self, sort: str, told: float, whole: float, limit: float) -> Finding:
        there = f" of {whole:.2f}" if sort == "categorical" else ""
        key = f"game.{sort}_weight"
        return Finding(
            name=self.monitor.kind,
            symptom=f"the {sort} codes change nothing in the samples",
            evidence=f"samples tell {told:.3f} nats{there} about them, for {self.monitor.lines} lines; under "
            f"{limit:.2f} they are dead (healthy: nearly all of it, of a continuous code over 0.1)",
            cause="too small a weight of the information beside the adversarial loss, or a generator at rest",
            remedies=remedies(
                self.plan.changed(key, 1.0) if (self.plan.value(key) or 1.0) < 1 else self.plan.scaled(key, 3),
                self.plan.scaled("game.generator.optimizer.lr", 3),
            ),
            severity="warning",
        )
