"""A metric that was better before."""

from __future__ import annotations

import statistics
from typing import ClassVar, Literal

from pydantic import Field, PositiveInt

from ganforge.api import Finding, LogLine, Monitor, Plan, Series, Watcher, remedies
from ganforge.builtin.monitors.parts.remedies import add_ada
from ganforge.builtin.monitors.parts.trends import noise


class MetricTurned(Monitor):
    """Warns where a metric has been getting worse for long, by more than its noise: what follows is wasted.

    On few data that is how runs end: Karras et al. 2020, arXiv:2006.06676, fig. 1.

    Of a metric it is a warning, since a run that is well may end so; to end such runs, list this monitor with
    `action = "stop"` or `"roll-back"`.
    """

    kind: Literal["metric-turned"] = "metric-turned"
    rank: ClassVar[int] = 70
    values: PositiveInt = Field(default=3, description="measured since the best one, at least")
    noises: float = Field(default=2.0, gt=0, description="how many standard deviations of its noise it is worse by")
    ignore: tuple[str, ...] = Field(
        default=("pixel-variance", "memorised", "nearest-train-ratio", "data-copying", "lpips-", "feature-"),
        description="how values begin that others look at, or that are not the better, the further they go",
    )
    share: float = Field(default=0.1, ge=0, description="and by how much of the best value")

    def build(self, plan: Plan) -> Watcher:
        """Make the watcher."""
        return MetricTurnedWatcher(self, plan)


class MetricTurnedWatcher(Watcher):
    """Looks at every metric whose better way is known."""

    def __init__(self, monitor: MetricTurned, plan: Plan) -> None:
        self.monitor, self.plan = monitor, plan
        self.series = {name: Series(name) for name in plan.better if self._judged(name)}

    def _judged(self, name: str) -> bool:
        return not name.startswith(self.monitor.ignore) and not name.endswith(("-of-real", "-expected", "-std"))

    def look(self, line: LogLine) -> list[Finding]:
        """Return a warning for each metric that has turned, the one that wasted most first; they share a name."""
        turned = [
            (finding, images)
            for series in self.series.values()
            if series.note(line)
            for finding, images in self._turned(series)
        ]
        return [finding for finding, _ in sorted(turned, key=lambda pair: pair[1])]

    def _turned(self, series: Series) -> list[tuple[Finding, int]]:
        monitor, plan = self.monitor, self.plan
        sign = 1.0 if plan.direction(series.name) == "lower" else -1.0
        values = [sign * value for value in series.values]
        best = min(range(len(values)), key=values.__getitem__)
        since = values[best + 1 :]
        if len(since) < monitor.values:
            return []
        recent = since[-monitor.values :]
        worse, spread = statistics.median(recent) - values[best], noise(series.values)
        needed = max(monitor.noises * spread, monitor.share * abs(values[best]))
        if worse <= needed or min(recent) - values[best] <= needed / 2:
            return []
        then, now = series.images[best], series.images[-1]
        share = (now - then) / max(plan.images, 1)
        cause = (
            "the discriminator has come to know its samples by heart, the learning rate is too high for the end, or "
        )
        return [
            (
                Finding(
                    name=monitor.kind,
                    symptom=f"{series.name} was better before and has been getting worse since",
                    evidence=f"best {series.values[best]:.4g} after {then:,} images, {now - then:,} images ago; now "
                    f"{series.values[-1]:.4g}, {len(since)} measurements later, worse by {abs(worse):.3g} where its "
                    f"noise is {spread:.2g}: {share:.0%} of the run's {plan.images:,} images were shown after the best",
                    cause=cause + "samples lose variety",
                    remedies=remedies(
                        f"run.images={then}" if then else None,
                        add_ada(plan) if line_of_images(plan) else None,
                        plan.scaled("game.discriminator.optimizer.lr", 0.5),
                        plan.scaled("game.generator.optimizer.lr", 0.5),
                    ),
                    severity="warning",
                ),
                then,
            )
        ]


def line_of_images(plan: Plan) -> bool:
    """Whether the data are images, as far as the recipe tells: it has a resolution."""
    return plan.at("data.resolution") is not None
