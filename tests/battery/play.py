"""One run of the battery: played within this process, and its log shown to the monitors.

Monitors see nothing but the log, so that a log that was kept can be shown to them again after they were changed.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from accelerate import Accelerator
from battery.cases import Case
from battery.planted import catalogue
from support.paths import RECIPES

from ganforge.api.monitor import LogLine, log_lines
from ganforge.diagnosis.panel import Panel, replay_log
from ganforge.errors import DivergedError
from ganforge.plugins.catalogue import Catalogue
from ganforge.recipes.recipe import Recipe, monitors_of, plan_of, read_recipe
from ganforge.tracking import NoTracker
from ganforge.training.assemble import assemble
from ganforge.training.callbacks.checkpoint import CheckpointCallback
from ganforge.training.callbacks.grid import GridCallback
from ganforge.training.callbacks.watch import WatchCallback
from ganforge.training.loop import play_session
from ganforge.training.reporter import SilentReporter

PATIENCE = 4  # lines of the log that a run goes on after what was planted was found
_CATALOGUE: list[Catalogue] = []


@dataclass(frozen=True)
class Found:
    """A finding: `round` is when it was first said; `holds`, that it was still so at the end."""

    name: str
    severity: str
    round: int
    holds: bool
    evidence: str
    remedies: tuple[str, ...] = ()


@dataclass(frozen=True)
class Log:
    """What is left of a run that was played.

    Args:
        rounds: played.
        seconds: of the processor.
        lines: as in `metrics.jsonl`.
        ended: where the run ended because something was not finite, what was said of it, with `term` and `layer`.
        whole: it was played to the recipe's end, or as far as it could be.
    """

    rounds: int
    seconds: float
    lines: Sequence[Mapping[str, Any]]
    ended: Mapping[str, Any] | None = None
    whole: bool = True


@dataclass(frozen=True)
class Outcome:
    """What was found in a run, in the order in which it was said.

    Args:
        remedies: that were tried.
        blamed: term and layer that were not finite first; of remedies, why the recipe refuses them.
        variety: variance of samples at the end over that of real ones.
    """

    case: str
    seed: int
    rounds: int
    seconds: float
    found: tuple[Found, ...]
    remedies: tuple[str, ...] = ()
    blamed: str | None = None
    variety: float | None = None

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(found.name for found in self.found)

    def right(self, case: Case) -> Found | None:
        """The first finding that says what was planted."""
        return next((found for found in self.found if found.name in case.names), None)

    @property
    def alarms(self) -> tuple[Found, ...]:
        """The findings that would stop a run that asks for it."""
        return tuple(found for found in self.found if found.severity == "failure")


class Notebook(NoTracker):
    """Keeps what would be written to the run's folder."""

    def __init__(self) -> None:
        self.lines: list[Mapping[str, Any]] = []
        self.said: list[Mapping[str, Any]] = []

    def metrics(
        self,
        images: int,
        round_: int,
        values: Mapping[str, float],
        receipts: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        self.lines.append({"images": images, "round": round_, "values": dict(values)})

    def event(self, images: int, kind: str, text: str, details: Mapping[str, Any] | None = None) -> None:
        if kind == "finding" and details is not None:
            self.said.append(dict(details))


def recipe_of(case: Case, seed: int, remedies: Sequence[str] = ()) -> Recipe:
    """Return the recipe of a case, with remedies or without."""
    always = (f"seed={seed}", "metrics=[]", 'tracking.kind="none"')
    return read_recipe(RECIPES / f"{case.recipe}.toml", _components(), [*always, *case.overrides, *remedies])


def play(case: Case, seed: int, remedies: Sequence[str] = ()) -> Log:
    """Play a case to its end, until something is not finite, or for a while after what was planted was found.

    Of a recipe that is well, or with remedies, all is played.
    """
    recipe = recipe_of(case, seed, remedies)
    began, notebook = time.process_time(), Notebook()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        session, callbacks = assemble(
            recipe,
            Accelerator(cpu=True),
            recipe.data.open(folder),
            folder=folder,
            cache=folder,
            tracker=notebook,
            reporter=SilentReporter(),
            monitors=monitors_of(recipe, _components()),
            installed=_components(),
        )
        (panel,) = (callback.panel for callback in callbacks if isinstance(callback, WatchCallback))

        def enough() -> bool:
            since = [found.first for found in panel.cases if found.finding.name in case.names]
            if remedies or not since:
                return False
            return sum(line["images"] > since[0] for line in notebook.lines) >= PATIENCE

        ended = None
        try:
            play_session(
                session,
                [one for one in callbacks if not isinstance(one, CheckpointCallback | GridCallback)],
                enough,
            )
        except DivergedError as error:
            ended = {**notebook.said[-1], "term": error.term, "layer": error.layer}
    return Log(
        session.runner.round, time.process_time() - began, notebook.lines, ended, ended is not None or session.over
    )


def kept_log(case: Case, seed: int, remedies: Sequence[str], folder: Path) -> Log:
    """Return the log of a run from a folder; play it where it is not there yet, or was stopped too soon."""
    text = json.dumps([case.recipe, case.overrides, seed, list(remedies)])
    path = folder / f"{case.slug}-{seed}-{hashlib.sha256(text.encode()).hexdigest()[:12]}.json"
    if path.is_file():
        log = Log(**json.loads(path.read_text()))
        if log.whole or judge(case, seed, remedies, log).right(case) is not None:
            return log
    log = play(case, seed, remedies)
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(asdict(log)))
    return log


def judge(case: Case, seed: int, remedies: Sequence[str], log: Log) -> Outcome:
    """Reporter the log of a run to the monitors."""
    recipe = recipe_of(case, seed, remedies)
    panel = replay_log(
        list(log_lines(log.lines)), Panel(monitors_of(recipe, _components()), plan_of(recipe, _components()))
    )
    rounds = {line.images: line.round for line in panel.lines}
    found = [
        Found(
            name=said.finding.name,
            severity=said.finding.severity,
            round=rounds[said.first],
            holds=said.holds,
            evidence=said.finding.evidence,
            remedies=said.finding.remedies,
        )
        for said in panel.cases
    ]
    blamed = None
    if log.ended is not None:
        end = log.ended
        if end["name"] not in {said.name for said in found}:
            found.append(Found(end["name"], end["severity"], log.rounds, True, end["evidence"], tuple(end["remedies"])))
        blamed = ", ".join(f"{what} {end[what]}" for what in ("term", "layer") if end[what]) or "no term or layer"
        blamed = "the batch" if "the batch itself" in end["evidence"] else blamed
    return Outcome(
        case.name, seed, log.rounds, log.seconds, tuple(found), tuple(remedies), blamed, _variety(panel.lines)
    )


def _variety(lines: Sequence[LogLine]) -> float | None:
    made, real = ([line.get(f"{group}/variance") for line in lines] for group in ("grid", "real"))
    known = [value for value in made if value is not None]
    return known[-1] / real[0] if known and real[0] else None


def _components() -> Catalogue:
    if not _CATALOGUE:
        _CATALOGUE.append(catalogue())
    return _CATALOGUE[0]
