"""Session: what a run consists of while it plays, shared by the training loop and the callbacks between rounds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ganforge.api.component import KindLookup
from ganforge.api.data import Batch, Source, to_device
from ganforge.api.monitor import Action, Finding, LogLine
from ganforge.api.plan import Plan
from ganforge.api.sampler import Sampler
from ganforge.distributed.world import World
from ganforge.recipes.recipe import Recipe, plan_of
from ganforge.tracking import Tracker
from ganforge.training.reporter import Reporter
from ganforge.training.runner import Report, Runner, strip_prefix


@dataclass(frozen=True)
class Decision:
    """What is to follow from something that was found.

    Args:
        name: of the finding.
        images: shown when it was first seen.
        remedies: recipe overrides to try.
    """

    action: Action
    name: str
    text: str
    images: int
    remedies: tuple[str, ...] = ()


class RunningMeans:
    """Sums of what each round reported since the last log line; kept on the device until they are read."""

    def __init__(self) -> None:
        self.sums: dict[str, Tensor] = {}  # name -> [sum, rounds]

    def note(self, report: Report) -> None:
        """Add one round's report."""
        if not report:
            return
        values = torch.stack([value.float() for value in report.values()])
        ones = torch.stack([values, torch.ones_like(values)], 1)
        for name, entry in zip(report, ones, strict=True):
            known = self.sums.get(name)
            self.sums[name] = entry if known is None else known + entry

    def means(self) -> dict[str, Tensor]:
        """Return the mean of each name, still on the device."""
        return {name: entry[0] / entry[1] for name, entry in self.sums.items()}


@dataclass
class Session:
    """One run: its runner, its data, its folder and who is told.

    Args:
        source: real samples that are learnt from.
        reference: real samples that metrics compare with.
        sampler: the order of the source.
        tracker: where numbers are written; on processes other than the main one it does nothing.
        cache: a folder for decoded data and reference statistics.
        installed: the components that there are, which know what may help where the run fails.
        metrics: the newest value of every metric.
        best: the best value so far of `checkpoints.best`, and the images shown then.
        findings: names of what monitors said, so that nothing is said twice.
        unwatched: lines of the log that monitors did not see yet.
        extra: readings by name that go into the next line of the log.
        decision: what a finding asks for, until the training loop has followed it.
        start_weights: by player, which weights of another run or of a file it began with.
        stop: whether this process was asked for an end; training sets it.
        interruptible: within it, being asked for an end raises `EvaluationInterruptedError`; training sets it.
        callback_state: what callbacks remember of earlier rounds, by name; it goes into checkpoints.
        interrupted_at: images shown before the round after which an evaluation was cut short, and is still to be done.
    """

    recipe: Recipe
    runner: Runner
    source: Source
    reference: Source
    sampler: Sampler
    tracker: Tracker
    folder: Path
    cache: Path
    reporter: Reporter
    installed: KindLookup | None = None
    running_means: RunningMeans = field(default_factory=RunningMeans)
    metrics: dict[str, float] = field(default_factory=dict)
    best: tuple[float, int] | None = None
    findings: list[str] = field(default_factory=list)
    unwatched: list[LogLine] = field(default_factory=list)
    extra: dict[str, float] = field(default_factory=dict)
    decision: Decision | None = None
    start_weights: dict[str, str] = field(default_factory=dict)
    stop: Callable[[], bool] = lambda: False
    interruptible: Callable[[], AbstractContextManager[None]] = nullcontext
    callback_state: dict[str, Tensor] = field(default_factory=dict)
    interrupted_at: int | None = None

    @property
    def plan(self) -> Plan:
        """What watchers may know of the run."""
        return plan_of(self.recipe, self.installed)

    @property
    def main(self) -> bool:
        """Whether this process writes and talks."""
        return bool(self.runner.accelerator.is_main_process)

    @property
    def images(self) -> int:
        """Images shown so far."""
        return self.runner.images

    @property
    def over(self) -> bool:
        """Whether all images of the recipe were shown."""
        return self.images >= self.recipe.run.images

    @property
    def rollbacks(self) -> int:
        """How often the run was rolled back."""
        return self.runner.rollbacks

    @property
    def may_roll_back(self) -> bool:
        """Whether the recipe asks for roll-backs, of whatever monitor."""
        return "roll-back" in (self.recipe.diagnosis.action, *(monitor.action for monitor in self.recipe.monitors))

    def any_process_stops(self) -> bool:
        """Whether any process was asked for an end; called on all of them."""
        return World(self.runner.accelerator).any(self.stop())

    def report_finding(self, finding: Finding, *, show: bool = True, **details: Any) -> None:
        """Write that something was found, with more `details`, and show it."""
        self.tracker.event(self.images, "finding", finding.symptom, {**asdict(finding), **details})
        if show:
            self.reporter.finding(self.images, finding)

    def log(self, values: Mapping[str, float], receipts: Mapping[str, Mapping[str, Any]] | None = None) -> None:
        """Write a line of the log, show it, and keep it for the monitors; called on every process."""
        self.tracker.metrics(self.images, self.runner.round, values, receipts)
        self.reporter.values(self.images, values)
        self.unwatched.append(LogLine.of(self.images, self.runner.round, values))

    def next_batch(self) -> Batch:
        """Return this process's share of the next global batch, on the device."""
        runner = self.runner
        rows = runner.rows // runner.microbatches
        places = [self.sampler.at(runner.images + start, rows) for start in runner.starts]
        batch = self.source.batch(np.concatenate(places))
        return to_device(batch, runner.accelerator.device)

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return what a resumed run needs, with all that was summed up since the last log line."""
        tensors, facts = self.runner.state()
        names = list(self.running_means.sums)
        tensors |= {f"running_means/{index}": self.running_means.sums[name] for index, name in enumerate(names)}
        tensors |= {f"callbacks/{name}": value for name, value in self.callback_state.items()}
        return tensors, {
            **facts,
            "running_means": names,
            "metrics": self.metrics,
            "best": self.best,
            "findings": self.findings,
            "start_weights": self.start_weights,
            "interrupted_at": self.interrupted_at,
            "data": self.source.fingerprint,
            "spec": self.source.spec.to_json(),
        }

    def restore(self, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
        """Take on what `state` gave."""
        self.runner.restore(tensors, facts)
        device = self.runner.accelerator.device
        self.running_means.sums = {
            name: tensors[f"running_means/{index}"].to(device) for index, name in enumerate(facts["running_means"])
        }
        self.callback_state = {name: value.to(device) for name, value in strip_prefix("callbacks/", tensors).items()}
        self.metrics = dict(facts["metrics"])
        self.best = tuple(facts["best"]) if facts["best"] else None
        self.findings = list(facts["findings"])
        self.start_weights = dict(facts["start_weights"])
        self.interrupted_at = facts["interrupted_at"]
