"""Metrics between rounds, each value with its receipt."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from accelerate.utils import broadcast_object_list

from ganforge.exam import GameExam
from ganforge.families import Metric
from ganforge.session import Session, Task


class Evaluate(Task):
    """Measures one metric on the averaged weights and writes it with its receipt.

    The main process measures and the others wait for its values.

    Args:
        metric: of the recipe.
        best: the name of the value that checkpoints are chosen by, if any.
    """

    def __init__(self, metric: Metric, best: str | None) -> None:
        super().__init__(metric.every_images)
        self.metric, self.best = metric, best

    def run(self, session: Session) -> None:
        """Measure."""
        values: dict[str, float] = {}
        receipt: Mapping[str, Any] = {}
        if session.main:
            values, receipt = self.measure(session)
        if session.runner.accelerator.num_processes > 1:
            (values,) = broadcast_object_list([values])
        session.metrics |= values
        self._keep_best(session, values)
        if session.main:
            receipts = dict.fromkeys(values, receipt)
            session.tracker.metrics(session.images, session.runner.round, values, receipts)
            session.show.values(session.images, values)

    def measure(self, session: Session) -> tuple[dict[str, float], Mapping[str, Any]]:
        """Examine the averaged game; return values and their common receipt."""
        runner = session.runner
        with runner.averaged() as game:
            averaged = any(player.ema is not None for player in runner.players.values())
            exam = GameExam(
                game,
                session.source,
                device=runner.accelerator.device,
                cache=session.cache,
                seed=runner.seed,
                ema=averaged,
            )
            measurement = self.metric.measure(exam)
        receipt = {"images_shown": session.images, "metric": self.metric.kind, **exam.receipt(), **measurement.receipt}
        return dict(measurement.values), receipt

    def _keep_best(self, session: Session, values: Mapping[str, float]) -> None:
        if self.best is None or self.best not in values:
            return
        value = values[self.best]
        if not math.isfinite(value):
            return
        sign = 1 if self.metric.better == "lower" else -1
        if session.best is None or sign * value < sign * session.best[0]:
            session.best = (value, session.images)
