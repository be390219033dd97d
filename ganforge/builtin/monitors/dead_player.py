"""A player that does not learn."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, PositiveInt

from ganforge.api import Finding, LogLine, Monitor, Plan, Watcher, remedies, usual_learning_rate
from ganforge.builtin.monitors.parts.trends import Streak

MOVED, NORM = "_moved", "gradient_norm"


class DeadPlayer(Monitor):
    """Speaks where the weights of a player stay where they are, although nothing let its learning rate down.

    Both players have to learn, if at rates of their own (Heusel et al. 2017, arXiv:1706.08500).
    """

    kind: Literal["dead-player"] = "dead-player"
    rank: ClassVar[int] = 12
    moved: float = Field(
        default=1e-5,
        gt=0,
        lt=1,
        description="the way of a player's weights from line to line, over their length: under it",
    )
    lines: PositiveInt = Field(default=2, description="lines of the log in a row")

    def build(self, plan: Plan) -> Watcher:
        """Make the watcher."""
        return DeadPlayerWatcher(self, plan)


class DeadPlayerWatcher(Watcher):
    """Looks at `weights/PLAYER_moved`."""

    def __init__(self, monitor: DeadPlayer, plan: Plan) -> None:
        self.monitor, self.plan = monitor, plan
        self.still: dict[str, Streak] = {}

    def look(self, line: LogLine) -> list[Finding]:
        """Return a finding for each player that stays where it is: of several, they share a name."""
        found = []
        for name in line.values:
            way = line.get(name)
            if not name.startswith("weights/") or not name.endswith(MOVED) or way is None:
                continue
            player = name.removeprefix("weights/").removesuffix(MOVED)
            resting = way < self.monitor.moved and not self._let_down(player, line.images)
            if self.still.setdefault(player, Streak()).note(resting) >= self.monitor.lines:
                found.append(self._finding(player, way, line))
        return found

    def _let_down(self, player: str, images: int) -> bool:
        """Whether a schedule has taken the learning rate to less than a hundredth of what it was at its highest."""
        key = f"game.{player}.optimizer.lr"
        now, then = self.plan.value(key, images), self.plan.value(key)
        return now is not None and then is not None and now < 0.01 * then

    def _finding(self, player: str, way: float, line: LogLine) -> Finding:
        key = f"game.{player}"
        norm, rate = line.get(f"{player}/{NORM}"), self.plan.value(f"{key}.optimizer.lr", line.images)
        others = [
            f"{name.removeprefix('weights/').removesuffix(MOVED)} {value:.2g}"
            for name in line.values
            if name.startswith("weights/") and player not in name and (value := line.get(name)) is not None
        ]
        told = [
            f"its weights went {way:.2g} of their length since the line before, {self.monitor.lines} times in a row"
        ]
        told += [f"learning rate {rate:.2g}"] * (rate is not None) + (
            [] if norm is None else [f"gradient norm {norm:.2g}"]
        )
        told += [f"the others: {', '.join(others)}"] if others else []
        usual = usual_learning_rate(self.plan, player)
        slow = rate is not None and usual is not None and rate < 0.01 * usual
        cause = "its learning rate is next to nothing" if slow else "its gradient is 0, or its weights are frozen"
        faster = self.plan.changed(f"{key}.optimizer.lr", usual)
        unfrozen = (
            self.plan.changed(f"{key}.constraints", []) if "freeze" in self.plan.kinds(f"{key}.constraints") else None
        )
        return Finding(
            name=self.monitor.kind,
            symptom=f"the {player} does not learn: its weights stay where they are",
            evidence=f"{'; '.join(told)}; healthy: 0.001 to 0.1",
            cause=cause,
            remedies=remedies(
                faster if slow else None, unfrozen, None if slow else self.plan.scaled(f"{key}.optimizer.lr", 10)
            ),
        )
