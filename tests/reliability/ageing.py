"""Whether a run that has been playing for long is slower than one that has just begun.

The speed of a machine that is shared follows what its other processors do, by a quarter and more, so that a line
through an hour of speeds shows the hour and not the run. Here a second run of the same recipe is begun, and the two
take turns: each plays as many images as lie between its largest evaluations while the other stands still.
"""

from __future__ import annotations

import json
import math
import os
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

SIGMAS = 3.0


def last_line(path: Path) -> dict[str, Any]:
    """Return the last whole line of a log that is being written."""
    with path.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - 20_000))
        lines = file.read().split(b"\n")[:-1]
    line: dict[str, Any] = json.loads(lines[-1])
    return line


@dataclass(frozen=True)
class Pace:
    """How fast the old one is beside the young one.

    Args:
        ratios: of their speeds in each pair of turns; less than 1 where the old one is slower.
    """

    ratios: tuple[float, ...]

    @property
    def median(self) -> float:
        """The ratio in the middle."""
        return statistics.median(self.ratios)

    @property
    def error(self) -> float:
        """The standard error of the median, from the distances to it: few pairs that went astray do not count."""
        spread = 1.4826 * statistics.median(abs(ratio - self.median) for ratio in self.ratios)
        return math.sqrt(math.pi / 2) * spread / math.sqrt(len(self.ratios))

    def __str__(self) -> str:
        return f"{self.median:.3f} ± {self.error:.3f}"

    def slower(self, allowed: float) -> bool:
        """Whether the old one is slower by more than a share, and that stands out of the noise."""
        return 1 - self.median > max(allowed, SIGMAS * self.error)


@dataclass(frozen=True)
class Player:
    """A run that plays, or stands still.

    Args:
        process: of the trainer.
        log: of the run.
    """

    process: psutil.Process
    log: Path

    def turn(self, images: int) -> float:
        """Play so many images and stand still again; return images per second of processor time."""
        self.process.resume()
        try:
            begin, before = self._line(0)
            end, after = self._line(begin + images)
        finally:
            self.process.suspend()
        return (end - begin) / (after - before)

    def _line(self, images: int) -> tuple[int, float]:
        """Wait for the next line of the log at so many images or more; return its images, and the processor time."""
        size = self.log.stat().st_size
        while True:
            while self.log.stat().st_size == size:
                time.sleep(0.002)
            size = self.log.stat().st_size
            seconds = sum(self.process.cpu_times()[:2])
            shown = int(last_line(self.log)["images"])
            if shown >= images:
                return shown, seconds


def pairs(old: Callable[[], float], young: Callable[[], float], count: int) -> Iterator[float]:
    """Yield ratios of speeds, old to young; who goes first changes, so that neither gains by a drift of the machine."""
    for index in range(count):
        if index % 2:
            first, second = young(), old()
            yield second / first
        else:
            first, second = old(), young()
            yield first / second


def pace(old: Player, young: Player, images: int, count: int) -> Pace:
    """Let both take turns of so many images each, so many times."""
    return Pace(tuple(pairs(lambda: old.turn(images), lambda: young.turn(images), count)))
