"""A discriminator that wins before the generator has learnt anything, or for good."""

from __future__ import annotations

import math
from typing import ClassVar, Literal

from pydantic import Field, PositiveInt

from ganforge.builtin.monitors.course import Likeness, Streak, gentler, ignorant
from ganforge.families import Monitor
from ganforge.monitor import Finding, Line, Plan, Series, Watcher, remedies

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
    within_rounds: PositiveInt = Field(default=100, description="only so early")
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
    after_rounds: PositiveInt = Field(default=400, description="later: not before")
    lines: PositiveInt = Field(default=6, description="later: lines of the log in a row, without getting nearer")

    def build(self, plan: Plan) -> Watcher:
        """Make the watcher."""
        return TooStrongWatcher(self, plan)


class TooStrongWatcher(Watcher):
    """Looks at the loss at first, and at scores and samples later."""

    def __init__(self, monitor: DiscriminatorTooStrong, plan: Plan) -> None:
        self.monitor, self.plan = monitor, plan
        self.likeness, self.streak, self.distances = Likeness(), Streak(), Series("apart")

    def look(self, line: Line) -> list[Finding]:
        """Return a finding where it wins."""
        self.likeness.note(line)
        told = self._early(line) or self._later(line)
        if told is None:
            return []
        plan, steps = self.plan, self.plan.value("game.generator.every")
        return [
            Finding(
                name=self.monitor.kind,
                symptom="the discriminator tells real from generated samples almost without error"
                f"{', and the generator gets nowhere' if self.streak.length else ' from the start'}",
                evidence=told,
                cause="the discriminator learns much faster than the generator, or has nothing to hold it back",
                remedies=remedies(
                    plan.changed("game.generator.every", 1) if steps is not None and steps > 1 else None,
                    gentler(plan, "discriminator"),
                    plan.added("game.discriminator.regularizers", "r1", gamma=1.0, every=16),
                    plan.added("game.discriminator.constraints", "spectral-norm"),
                    plan.added("game.discriminator.augmentations", "ada") if "grid/contrast" in line.values else None,
                ),
            )
        ]

    def _early(self, line: Line) -> str | None:
        monitor, loss = self.monitor, line.get(self.monitor.reading)
        knowing_nothing = ignorant(self.plan)
        if self.plan.kind("game.loss") == "wasserstein" or loss is None:
            return None
        limit = monitor.loss * (1.0 if knowing_nothing is None else knowing_nothing / CROSS_ENTROPY)
        if not 0 <= loss < limit or not 0 < line.round <= monitor.within_rounds:
            return None
        return (
            f"{monitor.reading} was {loss:.4g} after {line.round} rounds, {line.images:,} images shown; under "
            f"{limit:.2g} within the first {monitor.within_rounds} rounds the generator gets hardly any gradient"
        )

    def _later(self, line: Line) -> str | None:
        monitor, separation, apart = self.monitor, line.get("discriminator/separation"), self.likeness.apart(line)
        if separation is None or apart is None:
            return None
        self.distances.note(Line.of(line.images, line.round, {"apart": apart}))
        before = self.distances.last(monitor.lines + 1)[0]
        stuck = separation > monitor.separation and apart > monitor.apart and apart > before - 0.1
        if self.streak.note(stuck and line.round >= monitor.after_rounds) < monitor.lines:
            return None
        norms = [line.get(f"{player}/gradient_norm") for player in ("discriminator", "generator")]
        ratio = "" if None in norms else f"; gradient norms: discriminator {norms[0]:.3g}, generator {norms[1]:.3g}"
        return (
            f"for {self.streak.length} lines of the log more than {separation:.1%} of real samples score higher than "
            f"generated ones, which are {apart:.1f} from real ones in the plainest numbers (healthy: under 1) and come "
            f"no nearer{ratio}"
        )
