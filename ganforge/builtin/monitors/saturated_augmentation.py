"""An adaptive augmentation at its end."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, PositiveInt

from ganforge.api import Finding, LogLine, Monitor, Plan, Watcher, remedies
from ganforge.builtin.monitors.parts.trends import Streak

GROUPS = {"ada": "augmentation", "apa": "pseudo"}  # where each logs its strength


class SaturatedAugmentation(Monitor):
    """Warns where an adaptive augmentation (ADA, APA) has been at its greatest strength for long: it can do no more.

    Karras et al. 2020 (arXiv:2006.06676, sec. 3.2) find that augmentations leak into samples once p comes near 1.
    """

    kind: Literal["saturated-augmentation"] = "saturated-augmentation"
    rank: ClassVar[int] = 40
    p: float = Field(default=0.95, gt=0, le=1, description="a strength over this is as good as the greatest")
    lines: PositiveInt = Field(default=4, description="lines of the log in a row")

    def build(self, plan: Plan) -> Watcher:
        """Make the watcher."""
        return SaturatedAugmentationWatcher(self, plan)


class SaturatedAugmentationWatcher(Watcher):
    """Looks at the strength of those that adapt: they log `real_sign`."""

    def __init__(self, monitor: SaturatedAugmentation, plan: Plan) -> None:
        self.monitor, self.plan = monitor, plan
        self.full: dict[str, Streak] = {}

    def look(self, line: LogLine) -> list[Finding]:
        """Return a warning where the strength stays at its end."""
        found = []
        for kind, group in GROUPS.items():
            strength, sign = line.get(f"{group}/p"), line.get(f"{group}/real_sign")
            if strength is None or sign is None:
                continue
            key = "game.discriminator.augmentations"
            length = self.full.setdefault(kind, Streak()).note(strength > self.monitor.p)
            if length < self.monitor.lines:
                continue
            target = self.plan.value(self.plan.within(key, kind, "target") or "", line.images)
            aimed = (
                ""
                if target is None
                else f", while the mean sign of real scores is {sign:.2f} and is to be {target:.2f}"
            )
            found.append(
                Finding(
                    name=self.monitor.kind,
                    symptom=f"{kind} is at its greatest strength and can hold the discriminator back no further",
                    evidence=f"p = {strength:.2f} for {length} lines of the log{aimed}; healthy: under 0.8, beyond "
                    "which augmentations show in samples",
                    cause="too few real images for this discriminator, a target that cannot be reached, or scores that "
                    "do not have 0 in their middle",
                    remedies=remedies(
                        self.plan.changed(self.plan.within(key, kind, "target") or "", 0.6)
                        if target is not None and target < 0.4
                        else None,
                        self.plan.added("game.discriminator.regularizers", "lecam"),
                        gentler_key(self.plan),
                    ),
                    severity="warning",
                )
            )
        return found


def gentler_key(plan: Plan) -> str | None:
    """Return the override that halves the discriminator's learning rate."""
    return plan.scaled("game.discriminator.optimizer.lr", 0.5)
