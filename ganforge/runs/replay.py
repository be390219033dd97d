"""Replay of a run from its folder: what was logged, and what monitors make of it now."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from ganforge.api.families import Monitor
from ganforge.api.monitor import Finding, log_lines
from ganforge.api.plan import Plan
from ganforge.diagnosis.panel import Case, Panel, replay_log
from ganforge.errors import RecipeError
from ganforge.plugins.catalogue import Catalogue
from ganforge.recipes.parsing import read_table
from ganforge.recipes.recipe import monitors_of, plan_of, read_recipe, standard_monitors
from ganforge.storage.layout import RunLayout
from ganforge.storage.lookup import explain_no_run
from ganforge.tracking import EventLine, read_log, read_run_json, whole_lines

CASE_FIELDS = ("monitor", "first", "last", "holds", "rollbacks")  # that are told of a case as JSON


@dataclass(frozen=True)
class RunReplay:
    """What a run's folder tells.

    Args:
        folder: of the run.
        run: what `run.json` says: status, reason, start, end, device.
        plan: of its recipe.
        log: every line of `metrics.jsonl`, those that a roll-back has undone among them.
        panel: of monitors that were shown its whole log; `panel.lines` is the log without what was rolled back.
        cases: everything that was found, what holds first; what only the run itself could find is as it was said then.
        notices: what a person should know of this reading.
    """

    folder: Path
    run: Mapping[str, Any]
    plan: Plan
    log: Sequence[Mapping[str, Any]]
    panel: Panel
    cases: tuple[Case, ...]
    notices: tuple[str, ...] = ()

    @property
    def images(self) -> int:
        """Images shown, as far as the log tells."""
        return max((line.images for line in self.panel.lines), default=0)

    @property
    def names(self) -> list[str]:
        """The names of what was logged, in the order in which they came."""
        return list(dict.fromkeys(name for line in self.panel.lines for name in line.values))

    @property
    def metric_names(self) -> list[str]:
        """The names of metrics among them; terms and readings have a slash in theirs."""
        return [name for name in self.names if "/" not in name]

    def values(self, name: str) -> tuple[list[int], list[float]]:
        """Return images and values of one name, line by line, NaN where it was not finite."""
        found = [(line.images, line.values[name]) for line in self.panel.lines if name in line.values]
        return [images for images, _ in found], [value for _, value in found]

    def best_line(self, name: str) -> int | None:
        """Return which of a metric's values is best, by its index; None where nobody says what is better."""
        finite = [(value, index) for index, value in enumerate(self.values(name)[1]) if math.isfinite(value)]
        better = self.plan.direction(name)
        if better is None or not finite:
            return None
        return (min if better == "lower" else max)(finite, key=lambda found: found[0])[1]

    def to_json(self) -> dict[str, Any]:
        """Return all there is to tell, as JSON takes it."""
        readings = {}
        for name in sorted(self.names):
            finite = [value for value in self.values(name)[1] if math.isfinite(value)]
            if finite:
                readings[name] = {"last": finite[-1], "least": min(finite), "most": max(finite), "lines": len(finite)}
        return {
            "folder": str(self.folder),
            "status": self.run.get("status"),
            "reason": self.run.get("reason"),
            "images": self.images,
            "budget": self.plan.images,
            "roll_backs": self.panel.rollbacks,
            "findings": [
                asdict(case.finding) | {name: getattr(case, name) for name in CASE_FIELDS} for case in self.cases
            ],
            "readings": readings,
            "notices": list(self.notices),
        }


def replay_run(folder: Path, catalogue: Catalogue, overrides: Sequence[str] = ()) -> RunReplay:
    """Read a run, finished or not, and show its log to the monitors of its recipe.

    Args:
        folder: of the run.
        catalogue: the installed components. A recipe of other versions that these cannot read is asked for its values
            only, and watched by the installed monitors with their defaults.
        overrides: of the recipe, `a.b.c=VALUE`.

    Raises:
        RecipeError: the folder holds no run, or an override cannot be used.
    """
    layout = RunLayout(folder)
    if not layout.recipe.is_file():
        raise RecipeError(explain_no_run(folder))
    notices = left_out_plugins(catalogue)
    monitors: Sequence[Monitor]
    try:
        recipe = read_recipe(layout.recipe, catalogue, overrides)
        plan, monitors, action = plan_of(recipe, catalogue), monitors_of(recipe, catalogue), recipe.diagnosis.action
    except RecipeError as error:
        if overrides:
            raise
        first = str(error).splitlines()[:2][-1].strip()
        notices.append(f"its recipe is not one of today, monitors watch with their defaults ({first})")
        plan, monitors, action = (
            Plan(read_table(layout.recipe), installed=catalogue),
            standard_monitors(catalogue),
            "warn",
        )
    log = read_log(layout.metrics)
    damaged = len(whole_lines(layout.metrics)) - len(log)
    if damaged:
        notices.append(
            f"{layout.metrics.name} is damaged: {damaged:,} of its lines are no lines of a log, and are left out"
        )
    elif not log:
        notices.append("nothing was logged yet")
    panel = replay_log(list(log_lines(log)), Panel(monitors, plan, action))
    logged = [*panel.cases, *panel.undone]
    said = _said_then(read_log(layout.events, EventLine), {case.finding.name for case in logged})
    for case in said:
        case.holds = case.rollbacks == panel.rollbacks
    by_run = {case.finding.name for case in said}  # which knows more than the log: the layer, say
    cases = [*(case for case in logged if case.finding.name not in by_run), *said]
    cases.sort(key=lambda case: (not case.holds, case.finding.severity != "failure", case.rollbacks, case.first))
    return RunReplay(folder, read_run_json(folder), plan, log, panel, tuple(cases), tuple(notices))


def left_out_plugins(catalogue: Catalogue) -> list[str]:
    """Return which plugins are broken and were left out, and why."""
    return [f"plugin {plugin.name} of {plugin.origin} was left out: {plugin.reason}" for plugin in catalogue.broken]


def _said_then(events: Sequence[Mapping[str, Any]], known: set[str]) -> list[Case]:
    """Return what events tell of findings of the run itself (a gradient that was not finite) or of unknown monitors."""
    names = [field.name for field in fields(Finding)]
    needed = {"name", "symptom", "evidence", "cause"}
    cases: dict[str, Case] = {}
    for event in events:
        details = event.get("details") or {}
        by_monitor = bool(details.get("monitor"))
        if event["kind"] != "finding" or not needed <= set(details) or (by_monitor and details["name"] in known):
            continue
        finding = Finding(**{name: details[name] for name in names if name in details})
        images = int(event["images"])
        rollbacks = int(details.get("rollbacks", 0))
        case = Case(finding, details.get("monitor", ""), "warn", images, images, rollbacks=rollbacks)
        cases.setdefault(finding.name, case).last = images
    return list(cases.values())
