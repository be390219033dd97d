"""A value that is not a number."""

from __future__ import annotations

import math
from typing import ClassVar, Literal

from ganforge.api import Finding, LogLine, Monitor, Plan, Watcher, lower_learning_rate, remedies

FIRST = ("data/", "real/")  # what comes before training
OF_TWO = ("/distance", "/nearest", "/duplicates", "/least_class_distance")  # readings that one sample does not have


class NonFinite(Monitor):
    """Speaks where a value of the log is infinite or not a number, and names the first one.

    Numbers beyond what the precision can hold are its usual cause (Micikevicius et al. 2018, arXiv:1710.03740).

    A step whose gradient is not finite is never taken: the runner ends the run there and names the layer. This monitor
    sees what does not reach a gradient: data, samples, readings; of metrics it only warns.
    """

    kind: Literal["non-finite"] = "non-finite"
    rank: ClassVar[int] = 1

    def build(self, plan: Plan) -> Watcher:
        """Make the watcher."""
        return NonFiniteWatcher(self, plan)


class NonFiniteWatcher(Watcher):
    """Looks for values that are not finite."""

    def __init__(self, monitor: NonFinite, plan: Plan) -> None:
        self.monitor, self.plan = monitor, plan
        self.first: tuple[str, int] | None = None

    def look(self, line: LogLine) -> list[Finding]:
        """Return a finding where there are any, in the order of the line, data before all else."""
        found = [name for name, value in line.values.items() if math.isnan(value) and not name.endswith(OF_TWO)]
        found.sort(key=lambda name: not name.startswith(FIRST))
        if not found:
            return []
        self.first = self.first or (found[0], line.images)
        name, images = self.first
        of_data, metric = found[0].startswith(FIRST), all("/" not in name for name in found)
        plan, player = self.plan, name.partition("/")[0]
        slower = [
            lower_learning_rate(plan, p) for p in sorted(("discriminator", "generator"), key=lambda p: p != player)
        ]
        precise = plan.changed("run.precision", "no")
        causes = {
            True: "samples of the data set that are not numbers: look at the files, or at the code that reads them",
            False: "values that grew without bound: too high a learning rate, a loss without a constraint, or bfloat16",
        }
        return [
            Finding(
                name=self.monitor.kind,
                symptom="a value is infinite or not a number",
                evidence=f"first {name}, after {images:,} images shown; on this line {len(found)} of "
                f"{len(line.values)} values ({', '.join(found[:4])}{', …' * (len(found) > 4)}); in a healthy run none",
                cause="the metric cannot be measured on these samples" if metric else causes[of_data],
                remedies=() if of_data or metric else remedies(precise, *slower),
                severity="warning" if metric else "failure",
            )
        ]
