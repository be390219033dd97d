"""Numbers that grow without bound."""

from __future__ import annotations

import math
import statistics
from typing import ClassVar, Literal

from pydantic import Field, PositiveInt

from ganforge.api import (
    Finding,
    LogLine,
    Monitor,
    Plan,
    Series,
    Watcher,
    has_unbounded_critic,
    lower_learning_rate,
    remedies,
)
from ganforge.builtin.monitors.parts.remedies import hold_back_discriminator
from ganforge.builtin.monitors.parts.trends import Streak

SCORES = ("real_score", "fake_score", "real_score_std", "fake_score_std")

RECENT = 200  # lines that a line is compared with


class Exploding(Monitor):
    """Speaks where scores or gradients grow far beyond what they were, or weights change beyond recognition.

    Of critics that nothing, or too little, holds back: Gulrajani et al. 2017, arXiv:1704.00028, sec. 3.
    """

    kind: Literal["exploding"] = "exploding"
    rank: ClassVar[int] = 30
    score: float = Field(default=200.0, gt=0, description="a score, or its spread, beyond this is out of hand")
    growth: float = Field(default=300.0, gt=1, description="of a gradient's norm over the median of its first lines")
    leap: float = Field(default=2.0, gt=0, description="as `moved`: so far at once is enough to speak")
    moved: float = Field(
        default=0.8, gt=0, description="way of a player's weights in a line of 50 rounds, over their length"
    )
    lines: PositiveInt = Field(default=3, description="lines of the log in a row")

    def build(self, plan: Plan) -> Watcher:
        """Make the watcher."""
        return ExplodingWatcher(self, plan)


class ExplodingWatcher(Watcher):
    """Looks at scores, gradients and how far weights go."""

    def __init__(self, monitor: Exploding, plan: Plan) -> None:
        self.monitor, self.plan = monitor, plan
        self.norms = {player: Series(f"{player}/gradient_norm") for player in ("discriminator", "generator")}
        self.ways = {player: Series(f"weights/{player}_moved") for player in self.norms}
        self.streak, self.round = Streak(), 0

    def look(self, line: LogLine) -> list[Finding]:
        """Return a finding where something is out of hand."""
        if line.get("discriminator/gradient_norm") is None:
            return []
        stretch = math.sqrt(max(1.0, (line.round - self.round) / 50))
        self.round = line.round
        leaping = {player for player in self.norms if self._leaps(line, player, stretch)}
        signs = [*self._scores(line), *self._gradients(line), *self._weights(line, leaping, stretch)]
        if self.streak.note(bool(signs)) < self.monitor.lines and not leaping:
            return []
        plan, player, free = self.plan, signs[0][0], has_unbounded_critic(self.plan)
        held = list(hold_back_discriminator(plan, points="grid/contrast" not in line.values))
        slower = [lower_learning_rate(plan, name) for name in (player, "discriminator", "generator")]
        return [
            Finding(
                name=self.monitor.kind,
                symptom="numbers grow without bound: scores, gradients or steps are far beyond what training can bear",
                evidence="; ".join(sign for _, sign in signs),
                cause="nothing holds the critic back, whose loss has no lower bound"
                if free
                else "learning rates that are too high, or a discriminator that nothing holds back",
                remedies=remedies(*(held + slower if free else slower + held)),
            )
        ]

    def _scores(self, line: LogLine) -> list[tuple[str, str]]:
        values = [(abs(value), name) for name in SCORES if (value := line.get(f"discriminator/{name}")) is not None]
        worst, name = max(values, default=(0.0, ""))
        told = f"discriminator/{name} is {line.get(f'discriminator/{name}') or 0:.3g} (healthy: under 30 or so)"
        return [("discriminator", told)] if worst > self.monitor.score else []

    def _gradients(self, line: LogLine) -> list[tuple[str, str]]:
        found = []
        for player, series in self.norms.items():
            if series.note(line) and len(series) > 5:
                usual = statistics.median(series.values[:5])
                if series.values[-1] > self.monitor.growth * max(usual, 1e-3):
                    found.append((player, f"{series.name} is {series.values[-1]:.3g}, it was {usual:.3g} at first"))
        return found

    def _leaps(self, line: LogLine, player: str, stretch: float) -> bool:
        """Whether its weights went several times their own length, or far beyond what they had been doing."""
        series = self.ways[player]
        before = series.last(RECENT)
        if not series.note(line):
            return False
        way = series.values[-1]
        settled = len(before) >= 5 and way > 0.5 and way > 10 * statistics.median(before)
        return way > self.monitor.leap * stretch or settled

    def _weights(self, line: LogLine, leaping: set[str], stretch: float) -> list[tuple[str, str]]:
        ways = [(player, line.get(f"weights/{player}_moved")) for player in self.norms]
        return [
            (
                player,
                f"the {player}'s weights went {way:.2f} of their length since the line before (healthy: under 0.5)",
            )
            for player, way in ways
            if way is not None and way > (0.5 if player in leaping else self.monitor.moved * stretch)
        ]
