"""A generator that is told nothing."""

from __future__ import annotations

import math
from typing import ClassVar, Literal

from pydantic import Field, PositiveInt

from ganforge.api import Finding, LogLine, Monitor, Plan, Watcher, lower_learning_rate, remedies
from ganforge.builtin.monitors.parts.trends import Streak


class VanishingGeneratorGradient(Monitor):
    """Speaks where a discriminator that wins leaves the generator no gradient (Goodfellow et al. 2014, sec. 3).

    With the minimax loss the gradient that comes through a generated sample's score is s(D(G(z))), which the loss
    itself tells: it is log(1 - s), about -s. With any loss, the gradient's norm has fallen to nothing beside what it
    was (Arjovsky & Bottou 2017, arXiv:1701.04862, sec. 2).
    """

    kind: Literal["vanishing-generator-gradient"] = "vanishing-generator-gradient"
    rank: ClassVar[int] = 20
    passed: float = Field(
        default=0.01, gt=0, lt=1, description="of the minimax loss: the gradient passed on by a score"
    )
    fallen: float = Field(default=0.01, gt=0, lt=1, description="the gradient's norm over the highest so far")
    lines: PositiveInt = Field(default=3, description="lines of the log in a row")

    def build(self, plan: Plan) -> Watcher:
        """Make the watcher."""
        return VanishingWatcher(self, plan)


class VanishingWatcher(Watcher):
    """Looks at the generator's loss and gradient, where the discriminator tells samples apart."""

    def __init__(self, monitor: VanishingGeneratorGradient, plan: Plan) -> None:
        self.monitor, self.plan = monitor, plan
        self.highest = 0.0
        self.little, self.small = Streak(), Streak()

    def look(self, line: LogLine) -> list[Finding]:
        """Return a finding where nothing comes through."""
        norm, loss = line.get("generator/gradient_norm"), line.get("generator/adversarial")
        separation = line.get("discriminator/separation")
        if norm is None:
            return []
        self.highest = max(self.highest, norm)
        apart = separation is None or separation > 0.9
        passed = -math.expm1(loss) if loss is not None and loss <= 0 and self._saturates else 1.0
        little = self.little.note(apart and passed < self.monitor.passed) >= self.monitor.lines
        small = self.small.note(apart and norm < self.monitor.fallen * self.highest) >= self.monitor.lines
        if not little and not small:
            return []
        told = [f"its gradient's norm is {norm:.2g}, it was {self.highest:.2g} at its highest"]
        told += [f"a score passes on {passed:.2%} of a gradient (healthy: over 5 %)"] if little else []
        told += [] if separation is None else [f"{separation:.1%} of real samples score higher than generated ones"]
        plan, lessons = self.plan, self.plan.value("game.generator.every")
        return [
            Finding(
                name=self.monitor.kind,
                symptom="the generator gets almost no gradient: the discriminator wins, and does not tell it why",
                evidence="; ".join(told),
                cause="a loss that saturates where the discriminator wins"
                if self._saturates
                else "a discriminator that is flat around the generated samples",
                remedies=remedies(
                    plan.changed("game.loss", "non-saturating") if self._saturates else None,
                    plan.changed("game.generator.every", 1) if lessons and lessons > 1 else None,
                    lower_learning_rate(plan, "discriminator"),
                    plan.added("game.discriminator.regularizers", "r1", gamma=1.0, every=16),
                ),
            )
        ]

    @property
    def _saturates(self) -> bool:
        return self.plan.kind("game.loss") == "minimax"
