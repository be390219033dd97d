"""Runs that are slow at one place, so that a signal arrives in the middle of it; prepared in a forked process."""

from __future__ import annotations

import os
import time
from pathlib import Path

from ganforge.builtin.data.gaussians import Ring
from ganforge.builtin.metrics.mode_coverage import ModeCoverage
from ganforge.evaluation.examination import Examination
from ganforge.training.runner import Runner

AT = 128  # images shown when it is slow; metrics are due then


def slow_data(folder: Path, slow: float) -> None:
    """Be slow while the data are opened, and say so."""
    open_ = Ring.open

    def slowly(data: Ring, cache: Path):
        sleep_there(folder, slow)
        return open_(data, cache)

    Ring.open = slowly


def slow_round(folder: Path, slow: float) -> None:
    """Be slow in the middle of the round that leads to AT images, and say so."""
    take = Runner.take

    def slowly(runner: Runner, turn, batch):
        report = take(runner, turn, batch)
        if runner.images == AT - 32:
            sleep_there(folder, slow)
        return report

    Runner.take = slowly


def slow_evaluation(folder: Path, slow: float) -> None:
    """Be slow in the middle of the evaluation after AT images, and say so."""
    take = Examination._pass

    def slowly(exam: Examination, subject, wants):
        see = subject.batch

        def seen(start: int, count: int):
            if start >= 256 and not list(folder.glob("there-*")):
                sleep_there(folder, slow)
            return see(start, count)

        subject.batch = seen
        take(exam, subject, wants)

    Examination._pass = slowly


def slow_metric(folder: Path, slow: float) -> None:
    """Be slow in a metric's own computation after AT images, and say so; it never looks up."""
    measure = ModeCoverage.measure

    def slowly(metric: ModeCoverage, exam: Examination):
        if not list(folder.glob("there-*")):
            sleep_there(folder, slow)
        return measure(metric, exam)

    ModeCoverage.measure = slowly


def sleep_there(folder: Path, slow: float) -> None:
    (folder / f"there-{os.getpid()}").touch()
    time.sleep(slow)
