"""A discriminator that knows its real samples by heart."""

from __future__ import annotations

import statistics
from typing import ClassVar, Literal

from pydantic import Field, PositiveInt

from ganforge.api import Finding, LogLine, Monitor, Plan, Series, Watcher, remedies
from ganforge.builtin.monitors.parts.remedies import add_ada

READING = "discriminator/overfit"
FEW = 500  # samples: Zhao et al. 2020 (arXiv:2006.10738, sec. 4.3) train on 100 to 389, with DiffAugment and R1


class DiscriminatorOverfits(Monitor):
    """Speaks where held-out real samples look generated to it (Karras et al. 2020, arXiv:2006.06676, eq. 1).

    r_v is 0 where it judges them as it does those it is trained on, and 1 where as generated ones. It is measured where
    `[diagnosis] held_out` names samples that are not trained on.
    """

    kind: Literal["discriminator-overfits"] = "discriminator-overfits"
    rank: ClassVar[int] = 22
    r_v: float = Field(default=0.6, gt=0, le=1, description="its median over the newest lines is more than this")
    rising: float = Field(default=0.15, gt=0, le=1, description="where it was a third of that at first, a warning")
    lines: PositiveInt = Field(default=4, description="newest lines of the log")

    def build(self, plan: Plan) -> Watcher:
        """Make the watcher."""
        return OverfitWatcher(self, plan)


class OverfitWatcher(Watcher):
    """Looks at r_v."""

    def __init__(self, monitor: DiscriminatorOverfits, plan: Plan) -> None:
        self.monitor, self.plan = monitor, plan
        self.series = Series(READING)
        self.count: float | None = None  # of real samples

    def look(self, line: LogLine) -> list[Finding]:
        """Return a finding where r_v is high, and not for a moment."""
        self.count = line.get("data/count") or self.count
        if not self.series.note(line) or len(self.series) < self.monitor.lines:
            return []
        monitor, values = self.monitor, self.series.values
        now, began = statistics.median(values[-monitor.lines :]), statistics.median(values[: monitor.lines])
        rises = len(values) >= 2 * monitor.lines and now > monitor.rising and now > 3 * began
        if now <= monitor.r_v and not rises:
            return []
        plan, keys = self.plan, "game.discriminator"
        width = plan.value(f"{keys}.network.width")
        return [
            Finding(
                name=monitor.kind,
                symptom="the discriminator takes real samples that it was not trained on for generated ones"
                + (", more and more" if now <= monitor.r_v else ""),
                evidence=f"r_v has been {now:.2f} (median of {monitor.lines} lines; {began:.2f} at first); "
                f"healthy: under 0.5, over {monitor.r_v:g} it knows its samples by heart",
                cause="too few real samples for this discriminator, shown too often without augmentation",
                remedies=remedies(
                    *self._augmented(images=line.get("grid/contrast") is not None),
                    plan.changed(f"{keys}.network.width", int(width / 2)) if width and width >= 8 else None,
                ),
                severity="failure" if now > monitor.r_v else "warning",
            )
        ]

    def _augmented(self, *, images: bool) -> list[str | None]:
        """Return the overrides that let it see more than the samples; of few samples with R1 on top (`FEW`)."""
        diffaugment = self.plan.added("game.discriminator.augmentations", "diffaugment") if images else None
        held = self.plan.added("game.discriminator.regularizers", "r1", gamma=10.0, every=16)
        adaptive = add_ada(self.plan) if images else None
        if self.count is not None and self.count < FEW:
            return [diffaugment, held, adaptive]
        return [adaptive, diffaugment, held]
