"""Generated samples that are copies of training images."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, PositiveInt

from ganforge.api import Finding, LogLine, Monitor, Plan, Watcher, remedies
from ganforge.builtin.monitors.parts.remedies import add_ada
from ganforge.builtin.monitors.parts.trends import Streak


class MemorisationMonitor(Monitor):
    """Speaks where the metric `memorisation` finds copies of training images (Meehan et al. 2020, arXiv:2004.05675).

    Of its values it looks at the share of samples that are nearer to a training image than real images are, at the
    ratio of these distances, and at the z-score of its test, C_T.
    """

    kind: Literal["memorisation"] = "memorisation"
    rank: ClassVar[int] = 60
    memorised: float = Field(default=0.2, gt=0, le=1, description="share of samples nearer than 99 % of real images")
    ratio: float = Field(default=0.5, gt=0, lt=1, description="median distance to a training image, over real ones'")
    z: float = Field(default=-5.0, lt=0, description="C_T under this, together with a ratio under 0.8")
    measurements: PositiveInt = Field(default=2, description="in a row")

    def build(self, plan: Plan) -> Watcher:
        """Make the watcher."""
        return MemorisationWatcher(self, plan)


class MemorisationWatcher(Watcher):
    """Looks at the values of that metric, whatever the features."""

    def __init__(self, monitor: MemorisationMonitor, plan: Plan) -> None:
        self.monitor, self.plan = monitor, plan
        self.streaks: dict[str, Streak] = {}

    def look(self, line: LogLine) -> list[Finding]:
        """Return a finding where samples are copies."""
        found = []
        for name in line.values:
            if name.startswith("memorised"):
                finding = self._finding(line, name.removeprefix("memorised"))
                found += [finding] if finding else []
        return found[:1]

    def _finding(self, line: LogLine, tail: str) -> Finding | None:
        monitor, plan = self.monitor, self.plan
        share, ratio, z = (line.get(f"{name}{tail}") for name in ("memorised", "nearest-train-ratio", "data-copying"))
        signs = []
        if share is not None and share > monitor.memorised:
            signs.append(
                f"{share:.0%} of samples are nearer to a training image than 99 % of real images are (healthy: 1 %)"
            )
        if ratio is not None and ratio < monitor.ratio:
            signs.append(f"their median distance to one is {ratio:.2f} of that of real images (healthy: near 1)")
        if z is not None and z < monitor.z and ratio is not None and ratio < 0.8:
            signs.append(f"C_T = {z:.1f} (healthy: over -3)")
        if self.streaks.setdefault(tail, Streak()).note(bool(signs)) < monitor.measurements:
            return None
        return Finding(
            name=monitor.kind,
            symptom="generated samples are copies of training images",
            evidence="; ".join(signs),
            cause="too few training images for so long a run, and a discriminator that knows them by heart",
            remedies=remedies(
                add_ada(plan),
                plan.changed("run.images", line.images // 2),
                plan.added("game.discriminator.regularizers", "r1", gamma=1.0, every=16),
            ),
        )
