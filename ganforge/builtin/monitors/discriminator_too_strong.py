"""A discriminator that wins before the generator has learnt anything."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field, PositiveInt

from ganforge.families import Monitor
from ganforge.metric import Finding, Watcher


class DiscriminatorTooStrong(Monitor):
    """Speaks when the discriminator's loss is almost 0 early on (Arjovsky & Bottou 2017, arXiv:1701.04862, sec. 2).

    For losses that are near 0 only where the discriminator wins: minimax, non-saturating, least-squares, hinge,
    relativistic. The Wasserstein loss is near 0 at the start, and is not for this monitor.
    """

    kind: Literal["discriminator-too-strong"] = "discriminator-too-strong"
    loss: float = Field(default=0.1, gt=0, description="a discriminator's loss under this is almost nothing")
    within_images: PositiveInt = Field(default=3_200, description="only so early, in images shown: 100 rounds of 32")
    reading: str = Field(default="discriminator/adversarial", min_length=1, description="reading that holds the loss")

    def build(self) -> Watcher:
        """Make the watcher."""
        return EarlyVictory(self)


class EarlyVictory(Watcher):
    """Looks for an early loss of almost nothing, and speaks once."""

    def __init__(self, monitor: DiscriminatorTooStrong) -> None:
        self.monitor, self.spoken = monitor, False

    def look(self, images: int, readings: Mapping[str, float]) -> list[Finding]:
        """Return one finding when the loss is in [0, threshold) early on, for the first time."""
        monitor = self.monitor
        loss = readings.get(monitor.reading)
        if self.spoken or loss is None or images > monitor.within_images or not 0 <= loss < monitor.loss:
            return []
        self.spoken = True
        return [
            Finding(
                name=monitor.kind,
                symptom="the discriminator tells real from generated samples almost without error from the start",
                evidence=(
                    f"{monitor.reading} was {loss:.4g} after {images:,} images shown; under {monitor.loss:g} within "
                    f"the first {monitor.within_images:,} images the generator gets hardly any gradient"
                ),
                cause="the discriminator learns much faster than the generator, or has nothing to hold it back",
                remedies=(
                    'game.discriminator.regularizers=[{kind="r1", gamma=10.0, every=16}]',
                    'game.discriminator.constraints=["spectral-norm"]',
                    'game.discriminator.augmentations=["ada"]',
                    "game.discriminator.optimizer.lr=1e-4",
                ),
            )
        ]
