"""A discriminator that tells nothing apart although there is much to tell."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, PositiveInt

from ganforge.api import Finding, LogLine, Monitor, Plan, Watcher, remedies
from ganforge.builtin.monitors.parts.remedies import raise_learning_rate_to
from ganforge.builtin.monitors.parts.trends import Likeness, Streak, ignorant


class DiscriminatorTooWeak(Monitor):
    """Speaks where the discriminator cannot tell generated samples from real ones that look nothing like them.

    It has to keep up, or the generator makes whatever it likes (Goodfellow et al. 2014, arXiv:1406.2661, sec. 6).
    """

    kind: Literal["discriminator-too-weak"] = "discriminator-too-weak"
    rank: ClassVar[int] = 26
    separation: float = Field(
        default=0.65,
        gt=0.5,
        lt=1,
        description="share of pairs in which the real sample scores higher, under this; 0.5 = chance",
    )
    apart: float = Field(
        default=1.5, gt=0, description="how far samples are from real ones, in the plainest numbers: 1 = far"
    )
    after_rounds: PositiveInt = Field(default=300, description="it is given so long to learn")
    lines: PositiveInt = Field(default=5, description="lines of the log in a row")

    def build(self, plan: Plan) -> Watcher:
        """Make the watcher."""
        return WeakWatcher(self, plan)


class WeakWatcher(Watcher):
    """Looks at how scores separate, and whether samples look real in the plainest numbers."""

    def __init__(self, monitor: DiscriminatorTooWeak, plan: Plan) -> None:
        self.monitor, self.plan = monitor, plan
        self.likeness, self.streak = Likeness(), Streak()

    def look(self, line: LogLine) -> list[Finding]:
        """Return a finding where it has told nothing apart for long."""
        self.likeness.note(line)
        separation, apart = line.get("discriminator/separation"), self.likeness.apart(line)
        if separation is None or apart is None or line.round < self.monitor.after_rounds:
            return []
        if line.get("discriminator/adversarial") == 0.0:  # nobody plays for it
            return []
        monitor, loss, nothing = self.monitor, line.get("discriminator/adversarial"), ignorant(self.plan)
        knows_nothing = loss is not None and nothing is not None and abs(loss - nothing) < 0.01 * nothing
        cannot = separation < monitor.separation and apart > monitor.apart
        flat = knows_nothing and apart > 0.8 * monitor.apart
        if self.streak.note(cannot or flat) < monitor.lines:
            return []
        plan, key = self.plan, "game.discriminator"
        strong = [
            (kind, gamma)
            for kind in ("r1", "r2")
            if (gamma := plan.value(plan.within(f"{key}.regularizers", kind, "gamma") or ""))
        ]
        held = (
            "a penalty that holds it flat"
            if any(gamma > 100 for _, gamma in strong)
            else ("too small a network, too small a learning rate, or too strong a penalty")
        )
        weaker = [
            plan.scaled(plan.within(f"{key}.regularizers", kind, "gamma") or "", min(0.1, 10 / gamma))
            for kind, gamma in strong
        ]
        told = f"in {separation:.0%} of pairs the real sample scores higher (50 % = chance)"
        if flat and loss is not None:
            told = f"its loss is {loss:.4g}, that of one that knows nothing is {nothing:.4g}"
        return [
            Finding(
                name=self.monitor.kind,
                symptom="the discriminator cannot tell generated samples from real ones, which look nothing like them",
                evidence=f"{told}, for {self.streak.length} lines, while samples are {apart:.1f} from real "
                "ones in the plainest numbers (healthy: under 1)",
                cause=held,
                remedies=remedies(*weaker, *self._stronger(key)),
            )
        ]

    def _stronger(self, key: str) -> list[str | None]:
        plan, fields = self.plan, ("width", "channel_max")
        wider = [
            plan.changed(f"{key}.network.{name}", int(value * 4 if value >= 16 else 64))
            for name in fields
            if (value := plan.value(f"{key}.network.{name}"))
        ]
        dropout = plan.value(f"{key}.network.dropout")
        return [
            *wider,
            raise_learning_rate_to(plan, "discriminator", "generator"),
            plan.changed(f"{key}.network.dropout", 0.0) if dropout else None,
            plan.scaled(f"{key}.optimizer.lr", 4),
        ]
