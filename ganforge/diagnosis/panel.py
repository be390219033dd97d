"""All monitors of a run at work: what they found, since when, and whether it still holds."""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ganforge.api.families import Monitor
from ganforge.api.monitor import Action, Finding, LogLine, Watcher
from ganforge.api.plan import Plan
from ganforge.api.remedy import has_unbounded_critic, lower_learning_rate, offered_remedies, remedies
from ganforge.errors import DivergedError


@dataclass
class Case:
    """One thing that was found.

    Args:
        finding: as it was said first.
        first: images shown when it was said first.
        last: and when it was said last.
        holds: it was still so when last looked.
        rollbacks: 0 = of the run as it began; n = after n roll-backs.
    """

    finding: Finding
    monitor: str
    action: Action
    first: int
    last: int
    holds: bool = True
    rollbacks: int = 0
    seen_in: frozenset[str] = frozenset()  # names on the line that it was last said of


class Panel:
    """Shows every line of the log to every monitor, and keeps account of what they say.

    A line with fewer images than the one before says that the run was rolled back: the watchers begin anew, with the
    lines up to there. Whoever wants a log without what was undone takes `lines` of a panel that has seen it.

    Args:
        monitors: in the order in which they are asked.
        action: what follows a failure where a monitor does not say otherwise.
        keep: all lines, which is needed where the run may be rolled back or is over; else only the newest.
    """

    def __init__(self, monitors: Sequence[Monitor], plan: Plan, action: Action = "warn", *, keep: bool = True) -> None:
        self.monitors, self.plan, self.action, self.keep = tuple(monitors), plan, action, keep
        self.rollbacks = 0
        self.lines: list[LogLine] = []
        self._names: dict[str, str] = {}
        self.cases: list[Case] = []  # since the last roll-back
        self.undone: list[Case] = []  # of earlier ones, after the checkpoint that was gone back to
        self._watchers = self._build()

    @property
    def acts(self) -> bool:
        """Whether anything but a warning can follow."""
        return any((monitor.action or self.action) != "warn" for monitor in self.monitors)

    def look(self, line: LogLine) -> list[Case]:
        """Show a line to all; return what was found for the first time, failures first."""
        if self.lines and line.images < self.lines[-1].images:
            self._go_back(line.images)
        del self.lines[: 0 if self.keep else len(self.lines)]
        self.lines.append(line.with_shared_names(self._names))
        return self._ask(line)

    def _build(self) -> list[tuple[Monitor, Watcher]]:
        return [(monitor, monitor.build(self.plan)) for monitor in self.monitors]

    def _go_back(self, images: int) -> None:
        self.undone += [case for case in self.cases if case.first > images]
        for case in self.undone:
            case.holds = False
        kept = [line for line in self.lines if line.images <= images]
        self.rollbacks, self.lines, self.cases, self._watchers = self.rollbacks + 1, kept, [], self._build()
        for line in kept:
            self._ask(line)

    def _ask(self, line: LogLine) -> list[Case]:
        names = frozenset(line.values)
        open_cases = {case.finding.name: case for case in self.cases}
        found: list[Case] = []
        silent = set(open_cases)
        for monitor, watcher in list(self._watchers):
            for finding in self._said(monitor, watcher, line):
                silent.discard(finding.name)
                case = open_cases.get(finding.name)
                if case is None:
                    offered = offered_remedies(self.plan, finding.name)
                    finding = replace(finding, remedies=remedies(*finding.remedies, *offered))
                    action = monitor.action or (self.action if finding.severity == "failure" else "warn")
                    case = Case(finding, monitor.kind, action, line.images, line.images, rollbacks=self.rollbacks)
                    open_cases[finding.name] = case
                    found.append(case)
                case.last, case.holds, case.seen_in = line.images, True, names
        for name in silent:
            if open_cases[name].seen_in & names:  # it was looked at again, and is gone
                open_cases[name].holds = False
        self.cases += found
        return sorted(found, key=lambda case: case.finding.severity != "failure")

    def _said(self, monitor: Monitor, watcher: Watcher, line: LogLine) -> list[Finding]:
        """Ask one watcher. One that breaks is a finding itself, and is asked no more: it shall not end a run."""
        try:
            return watcher.look(line)
        except Exception as error:  # noqa: BLE001 - it is said
            self._watchers.remove((monitor, watcher))
            return [
                Finding(
                    name=f"{monitor.kind}-broke",
                    symptom=f"the monitor '{monitor.kind}' broke and watches no more",
                    evidence=f"{type(error).__name__}: {error} (in {_where(error)})",
                    cause="a mistake in the monitor; the training is not touched by it",
                    severity="warning",
                )
            ]


def _where(error: BaseException) -> str:
    """Return the file and line in the watcher that an error came from: a plugin's, where the monitor is."""
    frame, line = list(traceback.walk_tb(error.__traceback__))[:2][-1]  # below the one that asked it
    return f"{frame.f_code.co_filename}, line {line}"


def divergence_finding(error: DivergedError, plan: Plan) -> Finding:
    """Return the finding about a gradient that was not finite."""
    if error.data:
        return Finding(
            name="non-finite",
            symptom=f"the data themselves hold NaN or infinity, in '{error.data}'",
            evidence=str(error),
            cause="samples that are broken where they are stored or decoded",
        )
    first = f", first in layer {error.layer}" if error.layer else f", first in term {error.term}" if error.term else ""
    key = "game.{}.optimizer.lr".format
    others = [name for name in plan.at("game", {}) if plan.value(key(name)) is not None and name != error.player]
    players = [name for name in (error.player, *others) if name is not None]
    fastest = sorted(players, key=lambda name: -(plan.value(key(name)) or 0.0))
    return Finding(
        name="non-finite",
        symptom=f"the gradient of the {error.player} became NaN or infinite{first}",
        evidence=str(error),
        cause="steps that are too long, or numbers beyond what the precision can hold",
        remedies=remedies(
            *(lower_learning_rate(plan, name) for name in fastest[:1]),
            *(offered_remedies(plan, "unbounded-critic") if has_unbounded_critic(plan) else ()),
            *(lower_learning_rate(plan, name) for name in fastest[1:]),
            plan.changed("run.precision", "no"),
            *(offered_remedies(plan, "divergence", error.player) if error.player else ()),
        ),
    )


def replay_log(lines: Sequence[LogLine], panel: Panel) -> Panel:
    """Show a whole log to a panel and return it."""
    for line in lines:
        panel.look(line)
    return panel
