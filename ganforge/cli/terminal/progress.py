"""Progress of a run: how long it will take, the newest and the best metrics."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ganforge.api.plan import Direction

REDRAW_SECONDS = 0.25
SPEED = "speed/images_per_second"  # a reading of the log, as views show it
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
        self._first: tuple[float, int] | None = None  # after the first round, which also warms up
        self._drawn = -math.inf

    def update(self, images: int) -> bool:
        """Take in how many images were shown; return whether to redraw, which is at most four times a second."""
        self.images, now = images, self.clock()
        self._first = self._first or (now, images)
        if now - self._drawn < REDRAW_SECONDS:
            return False
        self._drawn = now
        return True

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
