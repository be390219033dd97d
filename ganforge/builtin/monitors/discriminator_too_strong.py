"""A discriminator that wins before the generator has learnt anything, or for good."""

from __future__ import annotations

import math
from typing import ClassVar, Literal

from pydantic import Field, PositiveInt

from ganforge.api import Finding, LogLine, Monitor, Plan, Watcher, lower_learning_rate, remedies
from ganforge.builtin.monitors.parts.remedies import add_ada, lower_learning_rate_to
from ganforge.builtin.monitors.parts.trends import Likeness, Streak, ignorant

PLAYERS = ("discriminator", "generator")
PROGRESS = 0.25  # how much nearer samples are to come in so many lines
CROSS_ENTROPY = 2 * math.log(2)  # of a discriminator that knows nothing: what `loss` is measured by


class DiscriminatorTooStrong(Monitor):
    """Speaks when the discriminator's loss is almost 0 early on (Arjovsky & Bottou 2017, arXiv:1701.04862, sec. 2).

    Or later, when it has told all samples apart for long while these look nothing like real ones and do not get better:
    that it tells them apart is no bad sign by itself, good runs of small data do so from beginning to end.

    The first is for losses that are near 0 only where the discriminator wins: minimax, non-saturating, least-squares,
    hinge, relativistic. The Wasserstein loss is near 0 at the start.
    """

    kind: Literal["discriminator-too-strong"] = "discriminator-too-strong"
    rank: ClassVar[int] = 24
    loss: float = Field(
        default=0.1,
        gt=0,
        description="a discriminator's loss under this is almost nothing, where knowing nothing costs 1.39",
    )
    within_rounds: PositiveInt = Field(
        default=100, description="only so early; or of the first line of the log, up to five times as late"
    )
    reading: str = Field(default="discriminator/adversarial", min_length=1, description="reading that holds the loss")
    separation: float = Field(
        default=0.98,
        gt=0.5,
        le=1,
        description="later: share of pairs in which the real sample scores higher, over this",
    )
    apart: float = Field(
        default=1.0, gt=0, description="and how far samples are from real ones in the plainest numbers"
    )
    ahead: float = Field(
        default=4.0, gt=0, description="its weights move so many times as far as the generator's: it has too many steps"
    )
    won: float = Field(
        default=0.06,
        gt=0,
        description="later: a loss under this, for a third of `rounds`, is enough, come nearer or not",
    )
    after_rounds: PositiveInt = Field(default=150, description="later: not before")
    rounds: PositiveInt = Field(
        default=300, description="later: for so long, and twice as long where it does not run ahead"
    )

    def build(self, plan: Plan) -> Watcher:
        """Make the watcher."""
        return TooStrongWatcher(self, plan)


class TooStrongWatcher(Watcher):
    """Looks at the loss at first, and at scores and samples later."""

    def __init__(self, monitor: DiscriminatorTooStrong, plan: Plan) -> None:
        self.monitor, self.plan = monitor, plan
        self.likeness, self.first = Likeness(), 0
        self.distances: list[tuple[int, float]] = []  # rounds, and how far samples were
        self.stuck, self.runs, self.won = Streak(), Streak(), Streak()

    def look(self, line: LogLine) -> list[Finding]:
        """Return a finding where it wins."""
        self.likeness.note(line)
        later = self._later(line)
        told = self._early(line) or later
        if told is None:
            return []
        plan, steps = self.plan, self.plan.value("game.generator.every")
        return [
            Finding(
                name=self.monitor.kind,
                symptom="the discriminator tells real from generated samples almost without error"
                f"{', and the generator gets nowhere' if told == later else ' from the start'}",
                evidence=told,
                cause="the discriminator learns much faster than the generator, or has nothing to hold it back",
                remedies=remedies(
                    lower_learning_rate_to(plan, "discriminator", "generator"),
                    plan.changed("game.generator.every", 1) if steps is not None and steps > 1 else None,
                    plan.changed("game.loss", "non-saturating") if plan.kind("game.loss") == "minimax" else None,
                    lower_learning_rate(plan, "discriminator"),
                    plan.added("game.discriminator.regularizers", "r1", gamma=1.0, every=16),
                    plan.added("game.discriminator.constraints", "spectral-norm"),
                    add_ada(plan) if "grid/contrast" in line.values else None,
                ),
            )
        ]

    def _scale(self) -> float:
        """Return what losses are to be multiplied by so that they compare with the cross-entropy's."""
        return (ignorant(self.plan) or CROSS_ENTROPY) / CROSS_ENTROPY

    def _loss(self, line: LogLine) -> float | None:
        """Return the loss where it says who wins: not the Wasserstein loss, nor one of 0, which nobody plays for."""
        loss = line.get(self.monitor.reading)
        return None if self.plan.kind("game.loss") == "wasserstein" or loss is None or loss <= 0 else loss

    def _early(self, line: LogLine) -> str | None:
        monitor, loss, limit = self.monitor, self._loss(line), self.monitor.loss * self._scale()
        self.first = self.first or line.round
        early = max(monitor.within_rounds, min(self.first, 5 * monitor.within_rounds))
        if loss is None or loss >= limit or not 0 < line.round <= early:
            return None
        return (
            f"{monitor.reading} was {loss:.4g} after {line.round} rounds, {line.images:,} images shown; under "
            f"{limit:.2g} within the first {early} rounds the generator gets hardly any gradient"
        )

    def _later(self, line: LogLine) -> str | None:
        monitor, separation, apart = self.monitor, line.get("discriminator/separation"), self.likeness.apart(line)
        if separation is None or apart is None:
            return None
        self.distances.append((line.round, apart))
        while len(self.distances) > 1 and self.distances[1][0] <= line.round - monitor.rounds:
            self.distances.pop(0)  # there is one that is nearer to so many rounds ago
        then, before = self.distances[0]
        wins = separation > monitor.separation and apart > monitor.apart and line.round >= monitor.after_rounds
        slow = then <= line.round - monitor.rounds and apart > before - PROGRESS
        way, other = (line.get(f"weights/{player}_moved") for player in PLAYERS)
        times = 0.0 if way is None or other is None else way / max(other, 1e-12)
        ahead = times > monitor.ahead
        self.runs.note(wins and slow and ahead, line.round)
        self.stuck.note(wins and slow, line.round)
        loss = self._loss(line)
        self.won.note(wins and loss is not None and loss < monitor.won * self._scale(), line.round)
        held = (self.runs.rounds, self.stuck.rounds / 2, 3 * self.won.rounds)
        if max(held) < monitor.rounds:
            return None
        norms = [f"{p} {norm:.3g}" for p in PLAYERS if (norm := line.get(f"{p}/gradient_norm")) is not None]
        told = f", and its weights move {times:.0f} times as far as the generator's" if ahead else ""
        losing = " and hardly come nearer" if self.stuck.length or loss is None else f"; its loss is {loss:.3g}"
        rounds = max(self.stuck.rounds, self.won.rounds)
        return (
            f"for {rounds} rounds {separation:.1%} of real samples score higher than generated "
            f"ones, which are {apart:.1f} from real ones in the plainest numbers (healthy: under 1){losing}{told}; "
            f"gradient norms: {', '.join(norms)}"
        )
