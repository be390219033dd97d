"""How fast it goes and how long it will take, and how to write that for people."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from typing import Literal

Direction = Literal["lower", "higher"]
MEMORY = 10.0  # seconds over which the speed is smoothed
LOOK = 0.25  # seconds between looks at the clock's consequences
BEHIND = ("speed", "grid", "real", "data", "weights", "run")  # readings that are there for monitors to read


class Pace:
    """Images shown over time.

    Args:
        total: images shown when the run is over.
        start: images shown before this process began, as far as known when it does: the first note tells.
        clock: seconds.
    """

    def __init__(self, total: int, start: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.total, self.images = total, start
        self.clock, self.began = clock, clock()
        self.speed = 0.0  # images per second, smoothed
        self._seen: tuple[float, int] | None = None
        self._first = (self.began, start)

    def note(self, images: int) -> bool:
        """Note how many images were shown; return whether a look is due, which is at most four times a second."""
        self.images = images
        now = self.clock()
        if self._seen is None:  # after the first round, which also warms up
            self._seen = self._first = (now, images)
            return True
        then, before = self._seen
        if now - then < LOOK:
            return False
        speed, gone = (images - before) / (now - then), now - then
        keep = math.exp(-gone / MEMORY) if self.speed else 0.0
        self.speed = keep * self.speed + (1 - keep) * speed
        self._seen = (now, images)
        return True

    @property
    def share(self) -> float:
        """What was done of the run, from 0 to 1."""
        return min(self.images / self.total, 1.0)

    @property
    def elapsed(self) -> float:
        """Seconds since this process began to play."""
        return self.clock() - self.began

    @property
    def left(self) -> float | None:
        """Seconds until the end at the mean speed so far, metrics and pictures included; None while unknown."""
        then, before = self._first
        done = self.images - before
        return None if done <= 0 else max(self.total - self.images, 0) * (self.clock() - then) / done


class Scores:
    """The newest and the best value of each metric, and the images shown then.

    Args:
        better: by the name of the value; others, such as the same of real samples, have no best.
    """

    def __init__(self, better: Mapping[str, Direction]) -> None:
        self.better = better
        self.newest: dict[str, tuple[float, int]] = {}
        self.best: dict[str, tuple[float, int]] = {}

    def note(self, images: int, values: Mapping[str, float]) -> None:
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


def duration(seconds: float) -> str:
    """Return 0:07, 4:12, 1:02:03 or 3 days 4 h."""
    whole = round(seconds)
    days, rest = divmod(whole, 86_400)
    hours, minutes, seconds_left = rest // 3600, rest // 60 % 60, rest % 60
    if days:
        return f"{days} day{'s' if days > 1 else ''} {hours} h"
    return f"{hours}:{minutes:02d}:{seconds_left:02d}" if hours else f"{minutes}:{seconds_left:02d}"


def number(value: float) -> str:
    """Return a value in four figures, in at most nine characters."""
    if value == 0 or not math.isfinite(value):
        return f"{value:.0f}"
    if 1e-3 <= abs(value) < 9999.5:
        return f"{value:.{max(0, min(4, 3 - math.floor(math.log10(abs(value)))))}f}"
    return f"{value:,.0f}" if 9999.5 <= abs(value) < 999_999.5 else f"{value:.2e}"


def rate(speed: float) -> str:
    """Return images per second, with a decimal where it tells something."""
    return f"{speed:,.0f}" if speed >= 10 else f"{speed:.1f}"
