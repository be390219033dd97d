"""A run read again from its folder: what was logged, and what monitors make of it now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from ganforge.api.component import classes_of
from ganforge.api.families import Monitor
from ganforge.api.monitor import Finding, LogLine, log_lines
from ganforge.api.plan import Plan
from ganforge.diagnosis.panel import Case, Panel, replay_log
from ganforge.errors import GanforgeError, RecipeError
from ganforge.plugins.catalogue import Catalogue
from ganforge.recipes.parsing import read_table
from ganforge.recipes.recipe import monitors_of, plan_of, read_recipe
from ganforge.tracking import EventLine, read_log, read_run_json, whole_lines


@dataclass(frozen=True)
class Replay:
    """What a run's folder tells.

    Args:
        folder: of the run.
        run: what `run.json` says: status, reason, start, end, device.
        plan: of its recipe.
        panel: of monitors that were shown its whole log; `panel.lines` is the log without what was rolled back.
        cases: everything that was found, what holds first; what only the run itself could find is as it was said then.
        events: what `events.jsonl` says.
        notices: what a person should know of this reading.
    """

    folder: Path
    run: Mapping[str, Any]
    plan: Plan
    panel: Panel
    cases: tuple[Case, ...]
    events: Sequence[Mapping[str, Any]]
    notices: tuple[str, ...] = ()

    @property
    def images(self) -> int:
        """Images shown, as far as the log tells."""
        return max((line.images for line in self.panel.lines), default=0)


def replay_run(folder: Path, catalogue: Catalogue, overrides: Sequence[str] = ()) -> Replay:
    """Read a run, finished or not, and show its log to the monitors of its recipe.

    Args:
        folder: of the run.
        catalogue: the installed components. A recipe of other versions that these cannot read is asked for its values
            only, and watched by the installed monitors with their defaults.
        overrides: of the recipe, `a.b.c=VALUE`.

    Raises:
        GanforgeError: the folder holds no run.
        RecipeError: an override cannot be used.
    """
    path = folder / "recipe.toml"
    if not path.is_file():
        raise GanforgeError(f"{folder} holds no run: there is no {path.name} in it; expected the folder of a run")
    notices = [f"plugin {plugin.name} of {plugin.origin} was left out: {plugin.reason}" for plugin in catalogue.broken]
    monitors: Sequence[Monitor]
    try:
        recipe = read_recipe(path, catalogue, overrides)
        plan, monitors, action = plan_of(recipe, catalogue), monitors_of(recipe, catalogue), recipe.diagnosis.action
    except RecipeError as error:
        if overrides:
            raise
        mistakes = str(error).splitlines()
        first = mistakes[min(1, len(mistakes) - 1)].strip()
        notices.append(f"its recipe is not one of today, monitors watch with their defaults ({first})")
        plan, monitors, action = Plan(read_table(path), installed=catalogue), _standard(catalogue), "warn"
    log = read_log(folder / "metrics.jsonl")
    lines = list(log_lines(log))
    damaged = len(whole_lines(folder / "metrics.jsonl")) - len(log)
    if damaged:
        notices.append(f"metrics.jsonl is damaged: {damaged:,} of its lines are no lines of a log, and are left out")
    elif not lines:
        notices.append("nothing was logged yet")
    panel = replay_log(lines, Panel(monitors, plan, action))
    events = read_log(folder / "events.jsonl", EventLine)
    logged = [*panel.cases, *panel.undone]
    said = _said_then(events, {case.finding.name for case in logged})
    for case in said:
        case.holds = case.rollbacks == panel.rollbacks
    by_run = {case.finding.name for case in said}  # which knows more than the log: the layer, say
    cases = [*(case for case in logged if case.finding.name not in by_run), *said]
    cases.sort(key=lambda case: (not case.holds, case.finding.severity != "failure", case.rollbacks, case.first))
    return Replay(folder, read_run_json(folder), plan, panel, tuple(cases), events, tuple(notices))


def _standard(catalogue: Catalogue) -> list[Monitor]:
    made = [cls() for _, cls in sorted(classes_of(catalogue, Monitor).items()) if cls.standard]  # type: ignore[call-arg]
    return sorted(made, key=lambda monitor: monitor.rank)


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
        case = Case(
            finding, details.get("monitor", ""), "warn", images, images, rollbacks=int(details.get("rollbacks", 0))
        )
        cases.setdefault(finding.name, case).last = images
    return list(cases.values())


def values_of(lines: Sequence[LogLine], name: str) -> tuple[list[int], list[float]]:
    """Return images and values of one name, line by line, NaN where it was not finite."""
    found = [(line.images, line.values[name]) for line in lines if name in line.values]
    return [images for images, _ in found], [value for _, value in found]
