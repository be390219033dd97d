"""Places in a recipe: what may stand there, and whose field it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from ganforge.fields import Takes, field_takes
from ganforge.slots import Kinds

Table = tuple[type[BaseModel], str | None]  # its class, and the distribution of a component

MISSING = object()


@dataclass(frozen=True)
class Spot:
    """A place in a recipe: what may stand there, and whose field it is."""

    parts: tuple[Takes, ...]
    value: Any  # what stands there; MISSING where nothing does
    owner: type[BaseModel] | None = None  # the table that the place is in
    provider: str | None = None  # the distribution of that table, where it is a component

    def table(self, kinds: Kinds) -> Table | None:
        """Return the class of the table that stands here, and its provider where it is a component."""
        for part in self.parts:
            if part.slot is not None:
                kind = self.value.get("kind", part.slot.default) if isinstance(self.value, dict) else self.value
                if isinstance(kind, str) and kind in kinds.family(part.slot.family):
                    return kinds.family(part.slot.family)[kind], kinds.provider(part.slot.family, kind)
            elif part.model is not None and (isinstance(self.value, dict) or self.value is MISSING):
                return part.model, None
        return None

    def step(self, key: str | int, kinds: Kinds) -> Spot:
        """Go to a field, or to an entry of an array."""
        inner = child(self.value, key)
        table = self.table(kinds)
        if table is not None and isinstance(key, str):
            cls, provider = table
            field = cls.model_fields.get(key)
            return Spot(field_takes(field) if field else (), inner, cls, provider)
        return Spot(
            tuple(entry for part in self.parts for entry in part.entries(key)), inner, self.owner, self.provider
        )


def child(value: Any, key: str | int) -> Any:
    """Return a field of a table, or an entry of an array; MISSING where there is none."""
    if isinstance(value, dict):
        return value.get(key, MISSING)
    if isinstance(value, list) and isinstance(key, int) and -len(value) <= key < len(value):
        return value[key]
    return MISSING


def walk(root: type[BaseModel], raw: Any, path: tuple[str | int, ...], kinds: Kinds) -> Spot:
    """Go from the whole recipe to `path`."""
    spot = Spot((Takes(root),), raw)
    for key in path:
        spot = spot.step(key, kinds)
    return spot
