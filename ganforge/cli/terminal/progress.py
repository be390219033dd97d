"""Progress of a run: how fast it goes, how long it will take, the newest and the best metrics."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ganforge.api.plan import Direction

SMOOTHING_SECONDS = 10.0  # of the speed
REDRAW_SECONDS = 0.25
HIDDEN_GROUPS = ("speed", "grid", "real", "data", "weights", "run")  # readings that are there for monitors to read


class RunProgress:
    """Images shown over time.

    Args:
        total: images shown when the run is over.
        clock: seconds.
    """

    def __init__(self, total: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.total, self.images = total, 0
        self.clock, self.began = clock, clock()
        self.speed = 0.0  # images per second, smoothed
        self._first: tuple[float, int] | None = None  # after the first round, which also warms up
        self._last = (self.began, 0)

    def update(self, images: int) -> bool:
        """Take in how many images were shown; return whether to redraw, which is at most four times a second."""
        self.images = images
        now = self.clock()
        if self._first is None:
            self._first = self._last = (now, images)
            return True
        then, before = self._last
        if now - then < REDRAW_SECONDS:
            return False
        weight = 1 - math.exp((then - now) / SMOOTHING_SECONDS) if self.speed else 1.0
        self.speed += weight * ((images - before) / (now - then) - self.speed)
        self._last = (now, images)
        return True

    @property
    def fraction_done(self) -> float:
        """What was done of the run, from 0 to 1."""
        return min(self.images / self.total, 1.0)

    @property
    def elapsed(self) -> float:
        """Seconds since this process began to play."""
        return self.clock() - self.began

    @property
    def seconds_left(self) -> float | None:
        """Seconds until the end at the mean speed so far, metrics and pictures included; None while unknown."""
        if self._first is None or self.images <= self._first[1]:
            return None
        then, before = self._first
        return max(self.total - self.images, 0) * (self.clock() - then) / (self.images - before)


class MetricHistory:
    """The newest and the best value of each metric, and the images shown then.

    Args:
        better: by the name of the value; others, such as the same of real samples, have no best.
    """

    def __init__(self, better: Mapping[str, Direction]) -> None:
        self.better = better
        self.newest: dict[str, tuple[float, int]] = {}
        self.best: dict[str, tuple[float, int]] = {}

    def update(self, images: int, values: Mapping[str, float]) -> None:
        """Take in new values."""
        for name, value in values.items():
            self.newest[name] = (value, images)
            better = self.better.get(name)
            if better is None or math.isnan(value):
                continue
            sign = 1 if better == "lower" else -1
            if name not in self.best or sign * value < sign * self.best[name][0]:
                self.best[name] = (value, images)


def metrics_of(values: Mapping[str, float]) -> dict[str, float]:
    """Return what was measured on samples; terms and readings have a slash in their names."""
    return {name: value for name, value in values.items() if "/" not in name}
