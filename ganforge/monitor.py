"""What monitors see, which is numbers in the log, and what they say.

Watchers look at lines of `metrics.jsonl` and at nothing else, so that a run can be explained again from its folder.
"""

from __future__ import annotations

import math
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Action = Literal["warn", "stop", "roll-back"]
Severity = Literal["warning", "failure"]
Direction = Literal["lower", "higher"]


@dataclass(frozen=True)
class Line:
    """One line of the log: terms and readings since the line before, or metrics.

    Args:
        images: shown so far.
        round: rounds played so far.
        values: by name; what was not finite is NaN.
    """

    images: int
    round: int
    values: Mapping[str, float]

    @classmethod
    def of(cls, images: int, round_: int, values: Mapping[str, float | None]) -> Line:
        """Make a line of what was measured or read back: None and infinity become NaN, as in a log that was read.

        Lines are kept for as long as a run lasts, and share their names.
        """
        whole = {sys.intern(name): math.nan if value is None else float(value) for name, value in values.items()}
        return cls(images, round_, {name: v if math.isfinite(v) else math.nan for name, v in whole.items()})

    def get(self, name: str) -> float | None:
        """Return a value; None where the line has none, or one that is not finite."""
        value = self.values.get(name)
        return None if value is None or math.isnan(value) else value


class Series:
    """The finite values of one name, line by line.

    Args:
        name: of a term, reading or metric.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.images: list[int] = []
        self.values: list[float] = []

    def note(self, line: Line) -> bool:
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
class Plan:
    """What a watcher may know of the run: its recipe as it was resolved, with helpers to word remedies that fit it.

    Args:
        recipe: tables, arrays and plain values, as in the run's `recipe.toml`.
        better: by the name of a metric's value, which way it gets better.
    """

    recipe: Mapping[str, Any]
    better: Mapping[str, Direction] = field(default_factory=dict)

    @property
    def images(self) -> int:
        """The images shown when the run is over."""
        return int(self.at("run.images", 0))

    @property
    def batch(self) -> int:
        """Images in a round at the start of the run."""
        return int(self.at("run.batch", 1))

    @property
    def log_every_images(self) -> int:
        """Images shown between log lines."""
        return int(self.at("run.log_every_images", 1))

    def at(self, key: str, otherwise: Any = None) -> Any:
        """Return what stands at a key (`game.discriminator.optimizer.lr`, `metrics.0.kind`), or `otherwise`."""
        found: Any = self.recipe
        for step in key.split("."):
            if isinstance(found, Mapping) and step in found:
                found = found[step]
            elif isinstance(found, list | tuple) and step.isdecimal() and int(step) < len(found):
                found = found[int(step)]
            else:
                return otherwise
        return otherwise if found is None else found

    def kind(self, key: str) -> str | None:
        """Return the kind of the component at a key, or None."""
        found = self.at(key)
        return found if isinstance(found, str) else found.get("kind") if isinstance(found, Mapping) else None

    def kinds(self, key: str) -> tuple[str, ...]:
        """Return the kinds in an array of components, such as `game.discriminator.regularizers`."""
        found = self.at(key)
        entries = range(len(found)) if isinstance(found, list | tuple) else ()
        return tuple(kind for index in entries if (kind := self.kind(f"{key}.{index}")) is not None)

    def value(self, key: str, images: int = 0) -> float | None:
        """Return the number at a key after `images` images shown, be it plain or a ramp; None where there is none."""
        found = self.at(key)
        if isinstance(found, Mapping) and {"start", "end", "images"} <= set(found):
            from ganforge.schedule import Ramp

            return Ramp.model_validate(dict(found)).at(images)
        return float(found) if isinstance(found, int | float) and not isinstance(found, bool) else None

    def direction(self, metric: str) -> Direction | None:
        """Return which way the value of a metric gets better, by its name; None for one without a direction."""
        return self.better.get(metric)

    def scaled(self, key: str, factor: float) -> str | None:
        """Return the override that multiplies the number (or ramp) at a key; None where there is no such number."""
        found, value = self.at(key), self.value(key)
        if value is None:
            return None
        if isinstance(found, Mapping):
            ends = {end: _rounded(found[end] * factor) for end in ("start", "end")}
            return f"{key}={toml({**found, **ends})}"
        return f"{key}={toml(_rounded(value * factor))}" if value * factor != value else None

    def changed(self, key: str, value: Any) -> str | None:
        """Return the override that sets a key the recipe has; None where it has not, or has that value already."""
        found = self.at(key)
        if found is None or found == value or (isinstance(value, str) and self.kind(key) == value):
            return None
        return f"{key}={toml(value)}"

    def added(self, key: str, kind: str, **fields: Any) -> str | None:
        """Return the override that adds a component to an array; None where there is one of its kind, or no array."""
        found = self.at(key)
        if not isinstance(found, list | tuple) or kind in self.kinds(key):
            return None
        return f"{key}.{len(found)}={toml({'kind': kind, **fields}) if fields else toml(kind)}"

    def within(self, key: str, kind: str, name: str) -> str | None:
        """Return the key of a field of the component of that kind in an array: to scale or change; else None."""
        kinds = self.kinds(key)
        return f"{key}.{kinds.index(kind)}.{name}" if kind in kinds else None


def remedies(*candidates: str | None) -> tuple[str, ...]:
    """Return those that apply, in order, each once."""
    return tuple(dict.fromkeys(candidate for candidate in candidates if candidate is not None))


@dataclass(frozen=True)
class Finding:
    """What a monitor has to say.

    Args:
        name: in kebab-case; said once a run.
        symptom: what is seen, a sentence without a full stop: "the generated samples are all alike".
        evidence: with numbers, and what they would be in a healthy run.
        cause: the likely one.
        remedies: in order, each a recipe override to be pasted after `--set`; `Plan` words them.
        severity: a failure ends what training can reach; of a warning people want to know.
    """

    name: str
    symptom: str
    evidence: str
    cause: str
    remedies: tuple[str, ...] = ()
    severity: Severity = "failure"


class Watcher(ABC):
    """A monitor at work. It is shown every line of the log in order, and may remember what it saw.

    It must depend on nothing else: a resumed run shows it the lines of before, a run that was rolled back those up to
    the checkpoint, and `ganforge diagnose` those of a run that is over.
    """

    @abstractmethod
    def look(self, line: Line) -> list[Finding]:
        """Look at the next line; return what is wrong as of this line, as long as it is wrong.

        Saying it again and again is right: who asks sees to it that a person is told once.
        """


def toml(value: Any) -> str:
    """Write a plain value, array or table on one line of TOML."""
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{key}={toml(entry)}' for key, entry in value.items() if entry is not None)}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(toml, value))}]"
    if isinstance(value, bool):
        return str(value).lower()
    return repr(value) if isinstance(value, int | float) else f'"{value}"'


def _rounded(value: float) -> float:
    return float(f"{value:.3g}")


def lines_of(records: Sequence[Mapping[str, Any]]) -> Iterator[Line]:
    """Yield the lines of a `metrics.jsonl` as it was read."""
    for record in records:
        yield Line.of(int(record["images"]), int(record.get("round", 0)), record["values"])
