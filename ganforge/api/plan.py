"""Plan of a run: its recipe as watchers may know it, and recipe overrides that fit it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from ganforge.api.component import Component, KindLookup, classes_of, default_kind
from ganforge.api.schedule import Ramp
from ganforge.api.toml import toml_value

Direction = Literal["lower", "higher"]
C = TypeVar("C", bound=Component)


@dataclass(frozen=True)
class Plan:
    """What a watcher may know of the run: its recipe as it was resolved, with helpers to word remedies that fit it."""

    recipe: Mapping[str, Any]  # tables, arrays and plain values, as in the run's `recipe.toml`
    better: Mapping[str, Direction] = field(default_factory=dict)  # which way the value of a metric of this name
    installed: KindLookup | None = None  # components, which know what is usual for them and what they help against

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

    def component(self, key: str, base: type[C]) -> type[C] | None:
        """Return the class of the component at a key, of the family of `base`; None where it is not known."""
        if self.installed is None or self.at(key) is None:
            return None
        kind = self.kind(key) or default_kind(self.installed, base.family)
        return None if kind is None else classes_of(self.installed, base).get(kind)

    def kinds(self, key: str) -> tuple[str, ...]:
        """Return the kinds in an array of components, such as `game.discriminator.regularizers`."""
        found = self.at(key)
        entries = range(len(found)) if isinstance(found, list | tuple) else ()
        return tuple(kind for index in entries if (kind := self.kind(f"{key}.{index}")) is not None)

    def value(self, key: str, images: int = 0) -> float | None:
        """Return the number at a key after `images` images shown, be it plain or a ramp; None where there is none."""
        found = self.at(key)
        if isinstance(found, Mapping) and {"start", "end", "images"} <= set(found):
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
            return f"{key}={toml_value({**found, **ends})}"
        return f"{key}={toml_value(_rounded(value * factor))}" if value * factor != value else None

    def changed(self, key: str, value: Any) -> str | None:
        """Return the override that sets a key the recipe has; None where it has not, or has that value already."""
        found = self.at(key)
        if found is None or found == value or (isinstance(value, str) and self.kind(key) == value):
            return None
        return f"{key}={toml_value(value)}"

    def added(self, key: str, kind: str, /, **fields: Any) -> str | None:
        """Return the override that adds a component to an array; None where there is one of its kind, or no array."""
        found = self.at(key)
        if not isinstance(found, list | tuple) or kind in self.kinds(key):
            return None
        return f"{key}.{len(found)}={toml_value({'kind': kind, **fields}) if fields else toml_value(kind)}"

    def within(self, key: str, kind: str, name: str) -> str | None:
        """Return the key of a field of the component of that kind in an array: to scale or change; else None."""
        kinds = self.kinds(key)
        return f"{key}.{kinds.index(kind)}.{name}" if kind in kinds else None


def _rounded(value: float) -> float:
    return float(f"{value:.3g}")
