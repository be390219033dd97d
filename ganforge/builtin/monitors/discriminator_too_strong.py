"""A discriminator that wins before the generator has learnt anything."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, PositiveInt

from ganforge.families import Monitor
from ganforge.monitor import Finding, Line, Plan, Watcher, remedies


class DiscriminatorTooStrong(Monitor):
    """Speaks when the discriminator's loss is almost 0 early on (Arjovsky & Bottou 2017, arXiv:1701.04862, sec. 2).

    For losses that are near 0 only where the discriminator wins: minimax, non-saturating, least-squares, hinge,
    relativistic. The Wasserstein loss is near 0 at the start, and is not for this monitor.
    """

    kind: Literal["discriminator-too-strong"] = "discriminator-too-strong"
    loss: float = Field(default=0.1, gt=0, description="a discriminator's loss under this is almost nothing")
    within_images: PositiveInt = Field(default=3_200, description="only so early, in images shown: 100 rounds of 32")
    reading: str = Field(default="discriminator/adversarial", min_length=1, description="reading that holds the loss")

    def build(self, plan: Plan) -> Watcher:
        """Make the watcher."""
        return EarlyVictory(self, plan)


class EarlyVictory(Watcher):
    """Looks for an early loss of almost nothing."""

    def __init__(self, monitor: DiscriminatorTooStrong, plan: Plan) -> None:
        self.monitor, self.plan = monitor, plan

    def look(self, line: Line) -> list[Finding]:
        """Return a finding where the loss is in [0, threshold) early on."""
        monitor, plan = self.monitor, self.plan
        loss = line.get(monitor.reading)
        if plan.kind("game.loss") == "wasserstein" or loss is None:
            return []
        if not 0 <= loss < monitor.loss or not 0 < line.images <= monitor.within_images:
            return []
        return [
            Finding(
                name=monitor.kind,
                symptom="the discriminator tells real from generated samples almost without error from the start",
                evidence=(
                    f"{monitor.reading} was {loss:.4g} after {line.images:,} images shown; under {monitor.loss:g} "
                    f"within the first {monitor.within_images:,} images the generator gets hardly any gradient"
                ),
                cause="the discriminator learns much faster than the generator, or has nothing to hold it back",
                remedies=remedies(
                    plan.scaled("game.discriminator.optimizer.lr", 0.25),
                    plan.added("game.discriminator.regularizers", "r1", gamma=1.0, every=16),
                    plan.added("game.discriminator.constraints", "spectral-norm"),
                    plan.added("game.discriminator.augmentations", "ada"),
                ),
            )
        ]
