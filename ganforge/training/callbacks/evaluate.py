"""Metrics between rounds, each value with its receipt."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from accelerate.utils import broadcast_object_list

from ganforge.api.families import Metric, metric_directions
from ganforge.api.metric import EvaluationInterruptedError
from ganforge.distributed.world import World
from ganforge.evaluation.batch import FeatureNetworks
from ganforge.evaluation.examination import Examination
from ganforge.evaluation.receipts import describe_reference
from ganforge.evaluation.subject import GameSubject
from ganforge.training.callbacks.callback import Callback, is_due
from ganforge.training.session import Session


class EvaluationCallback(Callback):
    """Measures metrics on the averaged weights and writes their values with their receipts.

    All that are due look at the same samples, made in one pass that all processes share; the main one makes values.

    Args:
        best: the name of the value that checkpoints are chosen by, if any.
    """

    activity = "while metrics were measured"
    of_evaluation = True

    def __init__(self, metrics: Sequence[Metric], best: str | None) -> None:
        super().__init__(None)
        self.metrics, self.best = tuple(metrics), best
        self.memory_settings = {f"metrics.{index}.samples": "samples of a metric" for index in range(len(metrics))}
        self._networks: FeatureNetworks | None = None
        self._now: list[Metric] = []

    def begin(self, session: Session) -> None:
        """Find out at once whether the metrics fit the data and their features can be had."""
        self._networks = FeatureNetworks(session.runner.accelerator.device)
        for metric in self.metrics:
            for want in metric.requests(session.reference):
                if want.view.features is not None:
                    self._networks.of(want.view.features)

    def due(self, session: Session, before: int) -> bool:
        """Whether it is time for any metric; these are then measured."""
        self._now = [m for m in self.metrics if session.over or is_due(session.images, before, m.every_images)]
        return bool(self._now)

    def run(self, session: Session) -> None:
        """Measure what is due.

        Raises:
            EvaluationInterruptedError: some process was asked for an end; nothing was written.
        """
        runner, world = session.runner, World(session.runner.accelerator)
        assert self._networks is not None
        compared = describe_reference(session.recipe.data, session.recipe.reference)
        found: list[tuple[Metric, dict[str, float], Mapping[str, Any]]] = []
        with runner.averaged() as game:
            averaged = any(player.ema is not None for player in runner.players.values())
            subject = GameSubject(game, session.source.spec, self._networks, runner.seed, ema=averaged)
            exam = Examination(
                subject,
                session.reference,
                self._networks,
                session.cache,
                runner.seed,
                world=world,
                stop=session.stop,
            )
            exam.gather(want for metric in self._now for want in metric.requests(session.reference))
            if world.main:
                # an interruption is told to all processes below
                with suppress(EvaluationInterruptedError), session.interruptible():
                    for metric in self._now:
                        measured = metric.measure(exam)
                        receipt = {"images_shown": session.images, "metric": metric.kind, **measured.receipt}
                        receipt |= {"reference-data": compared}
                        found.append((metric, dict(measured.values), receipt))
        if not world.broadcast(len(found) == len(self._now)):
            raise EvaluationInterruptedError
        values = {name: value for _, some, _ in found for name, value in some.items()}
        if world.world_size > 1:
            (values,) = broadcast_object_list([values])
        session.metrics |= values
        self._keep_best(session, values)
        if not world.main:
            session.log(values)  # nothing is written there; every process knows that there was a line
        for _, some, how in found:
            session.log(some, dict.fromkeys(some, how))

    def _keep_best(self, session: Session, values: Mapping[str, float]) -> None:
        if self.best is None or not math.isfinite(value := values.get(self.best, math.nan)):
            return
        sign = 1 if metric_directions(self._now).get(self.best) == "lower" else -1
        if session.best is None or sign * value < sign * session.best[0]:
            session.best = (value, session.images)
