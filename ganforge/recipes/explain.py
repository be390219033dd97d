"""Mistakes in a recipe, in words: where, what was expected, what was given, and the nearest fix."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from ganforge.api.component import KindLookup
from ganforge.api.toml import toml_value
from ganforge.errors import RecipeError, did_you_mean
from ganforge.plugins.catalogue import Catalogue
from ganforge.recipes.fields import MISSING, FieldType, Node, child_value, describe_types, node_at, table_title
from ganforge.recipes.overrides import Override
from ganforge.recipes.positions import KeyPath, Position

SLOT_ERRORS = {"component_type", "missing_kind", "unknown_kind", "wrong_player"}  # about a family, not one component
VALIDATOR_ERRORS = {"value_error", "assertion_error"}  # raised by a validator with a sentence of its own
MAX_EXPLAINED, MAX_REPORTED = 400, 20  # mistakes that are explained, and that are said
PYDANTIC_URL = "https://errors.pydantic.dev"  # what pydantic's own errors link to

M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True)
class Mistake:
    """One thing that is wrong, and where in the recipe."""

    path: KeyPath
    text: str
    in_table: bool = False  # it is about the table that the path's last key should be in


@dataclass(frozen=True)
class RecipeSources:
    """Where the values of a recipe come from."""

    name: str  # of the file
    positions: Mapping[KeyPath, Position]
    overrides: Sequence[Override] = ()

    def origin(self, mistake: Mistake) -> tuple[int, int, str]:
        """Return line and column to sort by, and `file:line:col` or the override."""
        override = self._override(mistake)
        if override is not None:
            return (2**31, self.overrides.index(override), override.label)
        path = mistake.path
        while path and path not in self.positions:
            path = path[:-1]
        if not path:
            return (0, 0, self.name)
        place = self.positions[path]
        return (place.line, place.column, f"{self.name}:{place.line}:{place.column}")

    def _override(self, mistake: Mistake) -> Override | None:
        path = mistake.path
        for override in reversed(self.overrides):
            if path[: len(override.path)] == override.path:
                return override
        table = path[:-1] if mistake.in_table else path
        below = [override for override in self.overrides if override.path[: len(table)] == table and table]
        if mistake.in_table:  # a field is missing or too much: whoever chose the kind, or made the table, knows why
            below = [override for override in below if override.path == (*table, "kind") or table not in self.positions]
        return below[-1] if below else None


def validate(root: type[M], raw: Any, catalogue: Catalogue, sources: RecipeSources) -> M:
    """Return the tables `raw` of a recipe, or of a part of one, as its class `root`.

    Raises:
        RecipeError: everything that is wrong, sorted by place; and where a kind is unknown, the plugins that could not
            be loaded: it may be theirs.
    """
    found, error = None, None
    try:
        found = root.model_validate(raw, context={"catalogue": catalogue})
    except ValidationError as wrong:
        error = wrong
    mismatches = islice(_mismatches(Node((FieldType(root),), raw), (), catalogue), MAX_EXPLAINED)
    mistakes = {mistake.path: mistake for mistake in mismatches}
    details = error.errors() if error else []
    for path, errors in _by_path(details[:MAX_EXPLAINED], raw):
        mistakes.setdefault(path, _mistake(path, errors, raw, root, catalogue))
    said = report(mistakes.values(), sources)
    if found is not None and said is None:
        return found
    lines = [said or str(error)]
    if any(detail["type"] == "unknown_kind" for detail in details):
        lines += [f"plugin {it.name} of {it.origin} could not be loaded: {it.reason}" for it in catalogue.broken]
    raise RecipeError("\n".join(lines)) from error


def report(mistakes: Iterable[Mistake], sources: RecipeSources) -> str | None:
    """Say mistakes in the order of their places, the first `MAX_REPORTED` of them; None where there are none."""
    lines = []
    for mistake in mistakes:
        line, column, where = sources.origin(mistake)
        keys = ".".join(map(str, mistake.path))
        lines.append((line, column, f"{where}: {keys}: {mistake.text}" if keys else f"{where}: {mistake.text}"))
    if not lines:
        return None
    said = [text for _, _, text in sorted(lines)]
    if len(said) == 1:
        return said[0]
    count = f"{len(said)} mistakes"
    count += f", of which these are the first {MAX_REPORTED}" if len(said) > MAX_REPORTED else ""
    return "\n".join([f"{sources.name} has {count}:", *said[:MAX_REPORTED]])


def _by_path(errors: Sequence[ErrorDetails], raw: Any) -> list[tuple[KeyPath, list[ErrorDetails]]]:
    """Group pydantic's errors by recipe path, without the names of the branches of unions that it puts in between."""
    groups: dict[KeyPath, list[ErrorDetails]] = {}
    for error in errors:
        path: KeyPath = ()
        value: Any = raw
        for number, step in enumerate(error["loc"], 1):
            inner = child_value(value, step)
            if inner is MISSING and not (number == len(error["loc"]) and error["type"] == "missing"):
                continue
            value = inner
            path = (*path, step)
        groups.setdefault(path, []).append(error)
    for path in list(groups):  # a union: what is wrong inside the table that fits says more than that no number fits
        inner = [other for other in groups if len(other) > len(path) and other[: len(path)] == path]
        if inner and all(_is_standard_error(error) for error in groups[path]):
            del groups[path]
    return list(groups.items())


def _is_standard_error(error: ErrorDetails) -> bool:
    return str(error.get("url", "")).startswith(PYDANTIC_URL) and error["type"] not in VALIDATOR_ERRORS


def _mistake(path: KeyPath, errors: list[ErrorDetails], raw: Any, root: type[BaseModel], kinds: KindLookup) -> Mistake:
    node = node_at(root, raw, path, kinds)
    known = [error["type"] for error in errors]
    if "extra_forbidden" in known:
        return Mistake(path, _describe_unknown_field(str(path[-1]), node))
    of = node.of()
    if "missing" in known and node.value is MISSING:
        field = node.owner.model_fields.get(str(path[-1])) if node.owner else None
        meaning = f": {field.description}" if field and field.description else ""
        return Mistake(path, f"missing; expected {describe_types(node.parts)}{meaning}{of}", in_table=True)
    own = [error for error in errors if not _is_standard_error(error)]
    if own:
        text = "; ".join(dict.fromkeys(error["msg"].removeprefix("Value error, ") for error in own))
        table = node.table(kinds)
        if SLOT_ERRORS & set(known):
            of = ""
        elif not of and table and table[1]:
            of = f" ({table_title(table[0])} of {table[1]})"
        if "unknown_kind" in known and isinstance(node.value, dict):
            path = (*path, "kind")
        return Mistake(path, text + of)
    if not node.parts or known == ["finite_number"]:
        return Mistake(path, f"{errors[0]['msg']}, given {_describe_value(node.value)}{of}")
    return Mistake(path, _expected(node))


def _expected(node: Node) -> str:
    return f"expected {describe_types(node.parts)}, given {_describe_value(node.value)}{node.of()}"


def _describe_unknown_field(name: str, node: Node) -> str:
    if node.owner is None:
        return "unknown field"
    fields = list(node.owner.model_fields)
    whose = table_title(node.owner) + (f" of {node.provider}" if node.provider else "")
    return f"unknown field{did_you_mean(name, fields)} ({whose} has: {', '.join(fields)})"


def _describe_value(value: Any) -> str:
    text = "none" if value is None else toml_value(value)
    short = text if len(text) <= 60 else text[:57] + "..."
    match value:
        case str():
            return f"the text {short}"
        case dict():
            return f"the table {short}"
        case list():
            return f"the array {short}"
    return short


def _mismatches(node: Node, path: KeyPath, kinds: KindLookup) -> Iterator[Mistake]:
    """Find text and booleans in the place of numbers, and the reverse, which pydantic would quietly convert."""
    if isinstance(node.value, dict):
        table = node.table(kinds)
        for key in node.value:
            if table is None or not _has_own_validator(table[0], key):
                yield from _mismatches(node.step(key, kinds), (*path, key), kinds)
    elif isinstance(node.value, list):
        for index in range(len(node.value)):
            yield from _mismatches(node.step(index, kinds), (*path, index), kinds)
    elif node.parts and not any(_accepts(part, node.value) for part in node.parts):
        yield Mistake(path, _expected(node))


def _has_own_validator(cls: type[BaseModel], name: str) -> bool:
    """Whether a validator of the field's own looks at the value before pydantic does."""
    validators = cls.__pydantic_decorators__.field_validators.values()
    return any(name in validator.info.fields and validator.info.mode != "after" for validator in validators)


def _accepts(part: FieldType, value: Any) -> bool:
    if isinstance(value, bool):
        return part.type not in (int, float)
    if isinstance(value, str):
        return part.type not in (int, float, bool)
    return part.type is not bool
