"""Watchers and findings: what monitors see, which is numbers in the log, and what they say.

Watchers look at lines of `metrics.jsonl` and at nothing else, so that a run can be explained again from its folder.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Action = Literal["warn", "stop", "roll-back"]  # what follows a finding
Severity = Literal["warning", "failure"]  # a failure ends what training can reach, a warning is only told


@dataclass(frozen=True)
class LogLine:
    """One line of the log: terms and readings since the line before, or metrics."""

    images: int  # shown so far
    round: int  # rounds played so far
    values: Mapping[str, float]  # by name; what was not finite is NaN

    @classmethod
    def of(cls, images: int, round_: int, values: Mapping[str, float | None]) -> LogLine:
        """Make a line of what was measured or read back: None and infinity become NaN, as in a log that was read."""
        whole = {name: math.nan if value is None else float(value) for name, value in values.items()}
        return cls(images, round_, {name: v if math.isfinite(v) else math.nan for name, v in whole.items()})

    def with_shared_names(self, names: dict[str, str]) -> LogLine:
        """Return the same line with the strings of `names`, which learns new ones: lines are kept by the thousand.

        Not by `sys.intern`: its table forgets names, and yet grows with each that comes and goes.
        """
        return LogLine(self.images, self.round, {names.setdefault(name, name): v for name, v in self.values.items()})

    def get(self, name: str) -> float | None:
        """Return a value; None where the line has none, or one that is not finite."""
        value = self.values.get(name)
        return None if value is None or math.isnan(value) else value


class Series:
    """The finite values of one term, reading or metric, line by line; 16 bytes each: they last as long as the run."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.images = array("q")
        self.values = array("d")

    def note(self, line: LogLine) -> bool:
        """Take in a line; return whether it had a value."""
        value = line.get(self.name)
        if value is None:
            return False
        self.images.append(line.images)
        self.values.append(value)
        return True

    def __len__(self) -> int:
        """How many values there are."""
        return len(self.values)

    def last(self, count: int) -> Sequence[float]:
        """Return the newest `count` values, or all where there are fewer, oldest first."""
        return self.values[-count:]


@dataclass(frozen=True)
class Finding:
    """What a monitor has to say."""

    name: str  # in kebab-case; said once a run
    symptom: str  # what is seen, a sentence without a full stop: "the generated samples are all alike"
    evidence: str  # with numbers, and what they would be in a healthy run
    cause: str  # the likely one
    remedies: tuple[str, ...] = ()  # in order, each a recipe override; `Plan` words them
    severity: Severity = "failure"  # which ends what training can reach; of a warning people want to know


class Watcher(ABC):
    """A monitor at work. It is shown every line of the log in order, and may remember what it saw.

    It must depend on nothing else: a resumed run shows it the lines of before, a run that was rolled back those up to
    the checkpoint, and `ganforge diagnose` those of a run that is over.
    """

    @abstractmethod
    def look(self, line: LogLine) -> list[Finding]:
        """Look at the next line; return what is wrong as of this line, as long as it is wrong.

        Saying it again and again is right: who asks sees to it that a person is told once.
        """


def log_lines(records: Sequence[Mapping[str, Any]]) -> Iterator[LogLine]:
    """Yield the lines of a `metrics.jsonl` as it was read."""
    for record in records:
        yield LogLine.of(int(record["images"]), int(record.get("round", 0)), record["values"])
