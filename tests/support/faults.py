"""Faults, prepared in a forked process of `ganforge` or done to a folder: of the machine, of one process, of time."""

from __future__ import annotations

import ctypes
import itertools
import os
import resource
import time
from pathlib import Path

import torch

from ganforge.builtin.data.gaussians import Ring
from ganforge.builtin.metrics.mode_coverage import ModeCoverage
from ganforge.builtin.metrics.pixel_variance import PixelVariance
from ganforge.errors import DataError
from ganforge.evaluation.examination import Examination
from ganforge.training.runner import Runner

_VERSION_3, _OVERRIDE = 0x20080522, (1 << 1) | (1 << 2)  # capset(2); CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH
_NEW_MOUNTS, _NEW_USER = 0x00020000, 0x10000000  # unshare(2)


def files_no_larger(size: int, after: int) -> None:
    """Let no file grow beyond so many bytes, once so many images were shown."""
    play_round = Runner.play_round

    def limited(runner: Runner, batch):
        if runner.images >= after:
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
        return play_round(runner, batch)

    Runner.play_round = limited


def obey_permissions() -> None:
    """Take from the superuser what lets it write where it may not; others have nothing to lose."""
    if os.geteuid() != 0:
        return
    libc = ctypes.CDLL(None, use_errno=True)
    header, data = (ctypes.c_uint32 * 2)(_VERSION_3, 0), (ctypes.c_uint32 * 6)()
    if libc.capget(header, data) == 0:
        for at in (0, 1):  # effective, permitted
            data[at] &= ~_OVERRIDE
        if libc.capset(header, data) == 0:
            return
    raise OSError(ctypes.get_errno(), "capabilities cannot be given up")


def obey_permissions_and_lose_them(folder: Path, after: int) -> None:
    """Let a folder become read-only, once so many images were shown."""
    obey_permissions()
    play_round = Runner.play_round

    def read_only(runner: Runner, batch):
        if runner.images == after:
            folder.chmod(0o555)
        return play_round(runner, batch)

    Runner.play_round = read_only


def set_the_clock_back(by: float = 3e7, each: float = 60.0) -> None:
    """Let the clock say a year less, and a minute less each time that it is looked at."""
    now, steps = time.time() - by, itertools.count()
    time.time = lambda: now - each * next(steps)


def small_disk(folder: Path, size: str) -> None:
    """Mount an empty disk of so many bytes ("1m") on a folder, which this process alone sees.

    Raises:
        OSError: that is not allowed here.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    root = os.geteuid() == 0
    for call, arguments in (
        (libc.unshare, (_NEW_MOUNTS | (0 if root else _NEW_USER),)),
        (libc.mount, (b"none", b"/", None, 1 << 18 | 1 << 14, None)),  # MS_PRIVATE | MS_REC
        (libc.mount, (b"none", os.fsencode(folder), b"tmpfs", 0, f"size={size}".encode())),
    ):
        if call(*arguments) != 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def metric_breaks() -> None:
    """A metric cannot be measured: only the main process measures, the other waits for its values."""

    def measure(self: PixelVariance, exam: object) -> None:
        raise DataError("there is nothing to be measured")

    PixelVariance.measure = measure  # type: ignore[method-assign,assignment]


def round_breaks(rank: int) -> None:
    """One process makes a mistake at the third round, while others wait for its gradients."""
    play = Runner.play_round

    def play_round(self: Runner, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        if os.environ["RANK"] == str(rank) and self.round == 3:
            raise ZeroDivisionError("one is not none")
        return play(self, batch)

    Runner.play_round = play_round  # type: ignore[method-assign]


def weight_strays(rank: int) -> None:
    """One process has another weight than all others from the third round on, by one bit."""
    play = Runner.play_round

    def play_round(self: Runner, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        report = play(self, batch)
        if os.environ["RANK"] == str(rank) and self.round == 3:
            with torch.no_grad():
                weight = next(self.game.generator.parameters()).view(-1)
                weight[0] = torch.nextafter(weight[0], weight[0] + 1)
        return report

    Runner.play_round = play_round  # type: ignore[method-assign]


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
