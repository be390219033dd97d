"""Overrides of single values of a recipe: `a.b.c=VALUE`; `none` leaves a field out."""

from __future__ import annotations

import datetime
import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from ganforge.api.component import KindLookup
from ganforge.api.toml import toml_value
from ganforge.errors import RecipeError, argument
from ganforge.recipes.fields import MISSING, Node, Table, node_at, table_title
from ganforge.recipes.parsing import MAX_DEPTH, MAX_TEXT, check_nesting

NONE = "none"  # as pages and messages call a field that is left out
_KEY, _INDEX = re.compile(r"[A-Za-z0-9_-]+"), re.compile(r"[0-9]{1,9}")
_DATE_TYPES = (datetime.date, datetime.time, datetime.datetime)


@dataclass(frozen=True)
class Override:
    """One change: where and what."""

    text: str  # as it was given
    path: tuple[str | int, ...]
    value: Any
    bare: bool = False  # the value is a word without quotes

    @property
    def label(self) -> str:
        """How messages name it."""
        return argument("override", _cut(self.text, 80))


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 3]}..."


def parse_override(text: str) -> Override:
    """Read `a.b.c=VALUE`: the value is TOML, and a bare word is text.

    Raises:
        RecipeError: it is of another form, or the value begins like TOML and is not.
    """
    key, equals, value = text.partition("=")
    label = argument("override", _cut(text, 200))
    if not equals:
        guess = ".".join(text.split()[:1]) or "run.images"
        raise RecipeError(f"{label}: expected KEY=VALUE, such as {argument('override', _cut(f'{guess}=1', 200))}")
    steps = [step.strip() for step in key.split(".")]
    if len(steps) > MAX_DEPTH or len(text) > MAX_TEXT:
        label = argument("override", _cut(text, 80))
        raise RecipeError(f"{label}: expected a key of at most {MAX_DEPTH} parts and a short value")
    for step in steps:
        if not _KEY.fullmatch(step):
            raise RecipeError(
                f"{label}: '{key.strip()}' is not the name of a field; expected names or indices with dots between, "
                "such as game.generator.optimizer.lr or metrics.0.samples"
            )
    path = tuple(int(step) if _INDEX.fullmatch(step) and number else step for number, step in enumerate(steps))
    read = _value(value.strip(), label)
    return Override(text, path, read, bare=read == value.strip())


def _value(text: str, label: str) -> Any:
    if not text:
        raise RecipeError(f"{label}: there is no value; an empty text is written '\"\"'")
    check_nesting(text, label)
    try:
        read = tomllib.loads(f"value = {text}")
    except ValueError as error:
        if text[0] in "[{\"'":
            raise RecipeError(f"{label}: the value is not TOML: {error}; quote the whole for your shell") from error
        return text
    value = read["value"]
    return text if len(read) > 1 or isinstance(value, _DATE_TYPES) else value


def apply_overrides(
    raw: dict[str, Any], overrides: Sequence[Override], root: type[BaseModel], kinds: KindLookup
) -> list[str]:
    """Change `raw` in place; return what a person should know of it.

    Tables on the way are made where they are missing. A component that is written as a bare kind becomes a table. Where
    the kind of a component changes, its table keeps the fields that the new kind has too, and loses the others. The
    bare word `none` leaves out what is none by default, such as a player's `ema`.

    Raises:
        RecipeError: a path leads through something that has no fields, or beyond the end of an array.
    """
    notices: list[str] = []
    for override in overrides:
        target = raw
        for depth, step in enumerate(override.path[:-1], 1):
            inner = _get_item(target, step, override, depth)
            if not isinstance(inner, dict | list):
                inner = _new_container(inner, node_at(root, raw, override.path[:depth], kinds), override, depth)
                _set_item(target, step, inner)
            target = inner
        last = override.path[-1]
        old = _get_item(target, last, override, len(override.path))
        before = node_at(root, raw, override.path[:-1], kinds).table(kinds)
        field = before[0].model_fields.get(str(last)) if before else None
        if override.bare and override.value == NONE and field and field.default is None:
            target.pop(str(last), None)
            continue
        _set_item(target, last, override.value)
        if last == "kind" and old != override.value and isinstance(target, dict):
            notices += _change_kind(target, before, node_at(root, raw, override.path[:-1], kinds), kinds, override)
    return notices


def _get_item(target: Any, step: str | int, override: Override, depth: int) -> Any:
    if isinstance(target, dict):
        return target.get(str(step), MISSING)
    where = ".".join(map(str, override.path[: depth - 1]))
    if not isinstance(step, int):
        raise RecipeError(f"{override.label}: {where} is an array; expected an index after it, such as {where}.0")
    if step > len(target):
        end = "it is empty" if not target else f"it has {len(target)}"
        raise RecipeError(f"{override.label}: {where} has no entry {step} ({end}); the next new entry is {len(target)}")
    return target[step] if step < len(target) else MISSING


def _set_item(target: Any, step: str | int, value: Any) -> None:
    if isinstance(target, dict):
        target[str(step)] = value
    elif step == len(target):
        target.append(value)
    else:
        target[step] = value


def _new_container(value: Any, node: Node, override: Override, depth: int) -> dict[str, Any] | list[Any]:
    """Return a table or an array in the place of something missing, or of a bare kind."""
    if value is MISSING:
        return [] if isinstance(override.path[depth], int) else {}
    if isinstance(value, str) and any(part.slot for part in node.parts):
        return {"kind": value}
    if any(part.model for part in node.parts):
        return {}
    where = ".".join(map(str, override.path[:depth]))
    raise RecipeError(
        f"{override.label}: {where} is {toml_value(value)} and has no field '{override.path[depth]}'; "
        f"set it as a whole: {argument('override', f'{where}=...')}"
    )


def _change_kind(
    table: dict[str, Any], before: Table | None, after: Node, kinds: KindLookup, override: Override
) -> list[str]:
    known = after.table(kinds)
    if known is None or not any(part.slot for part in after.parts):
        return []
    cls, _ = known
    lost = [name for name in table if name not in cls.model_fields]
    if before is not None:  # a field that neither kind has is a mistake of the recipe, to be reported as such
        lost = [name for name in lost if name in before[0].model_fields]
    if not lost:
        return []
    what = ", ".join(f"{name} = {toml_value(table.pop(name))}" for name in lost)
    return [f"{_cut(override.text, 80)}: left out {what}, which '{table_title(cls)}' has not"]
