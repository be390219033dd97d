"""Types of a recipe's fields, with their bounds and components, in words; and the field at a path."""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import annotated_types
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from ganforge.api.component import Component, KindLookup, default_kind
from ganforge.api.slots import Slot
from ganforge.api.toml import toml_value

PLAIN_TYPES = {
    int: "an integer",
    float: "a number",
    bool: "true or false",
    str: "text in quotes",
    Path: "a path in quotes",
}


@dataclass(frozen=True)
class FieldType:
    """One of the things that a field takes: a type with bounds, a component of a family, or a table."""

    type: Any
    limits: tuple[Any, ...] = ()

    @property
    def slot(self) -> Slot | None:
        """The family of components that fits, if it is one."""
        return next((limit for limit in self.limits if isinstance(limit, Slot)), None)

    @property
    def model(self) -> type[BaseModel] | None:
        """The table that fits, if it is one."""
        return self.type if isinstance(self.type, type) and issubclass(self.type, BaseModel) else None

    def entries(self, step: str | int) -> tuple[FieldType, ...]:
        """What the entry `step` of an array or of a free table takes."""
        arguments = get_args(self.type)
        if get_origin(self.type) is tuple and isinstance(step, int):
            if len(arguments) == 2 and arguments[1] is Ellipsis:
                return field_types(arguments[0])
            return field_types(arguments[step]) if step < len(arguments) else ()
        if get_origin(self.type) in (list, frozenset, set) and isinstance(step, int):
            return field_types(arguments[0])
        if get_origin(self.type) in (dict, Mapping) and isinstance(step, str):
            return field_types(arguments[1])
        return ()

    def words(self) -> str:
        """Say it: "a number above 0"."""
        if self.slot is not None:
            return f"a kind of {self.slot.noun}, alone or in a table with its fields"
        if get_origin(self.type) is Literal:
            return alternatives([toml_value(value) for value in get_args(self.type) if value is not None])
        if get_origin(self.type) in (tuple, list, set, frozenset):
            return self._array()
        if self.model is not None:
            return f"a table ({', '.join(self.model.model_fields)})"
        what = PLAIN_TYPES.get(self.type, "a table" if get_origin(self.type) is dict else str(self.type))
        return " ".join(filter(None, (what, self.bounds())))

    def _array(self) -> str:
        arguments = get_args(self.type)
        if len(arguments) == 1 or arguments[-1] is Ellipsis:
            return f"an array, each entry {describe_types(field_types(arguments[0]))}"
        each = [describe_types(field_types(argument)) for argument in arguments]
        if len(set(each)) == 1:
            return f"an array of {len(each)}, each {each[0]}"
        return f"an array of {len(each)}: {', '.join(each)}"

    def bounds(self) -> str:
        """Say the bounds, the lower one first: "at least 0 and below 1"."""
        said = []
        for limit in sorted(self.limits, key=lambda limit: isinstance(limit, annotated_types.Lt | annotated_types.Le)):
            match limit:
                case annotated_types.Gt(gt=0) if self.type is int:
                    said.append("at least 1")
                case annotated_types.Gt():
                    said.append(f"above {limit.gt}")
                case annotated_types.Ge():
                    said.append(f"at least {limit.ge}")
                case annotated_types.Lt():
                    said.append(f"below {limit.lt}")
                case annotated_types.Le():
                    said.append(f"at most {limit.le}")
                case annotated_types.MultipleOf():
                    said.append(f"a multiple of {limit.multiple_of}")
                case annotated_types.MinLen(min_length=1):
                    said.append("that is not empty")
                case _:
                    continue
        return " and ".join(said)


def field_types(annotation: Any, limits: tuple[Any, ...] = ()) -> tuple[FieldType, ...]:
    """Take an annotation apart; None, which TOML cannot write, is not among the parts."""
    if get_origin(annotation) is Annotated:
        inner, *outer = get_args(annotation)
        return field_types(inner, (*_flatten_limits(outer), *limits))
    if get_origin(annotation) in (Union, types.UnionType):
        return tuple(part for argument in get_args(annotation) for part in field_types(argument, limits))
    return () if annotation is type(None) else (FieldType(annotation, limits),)


def _flatten_limits(limits: list[Any]) -> Iterator[Any]:
    for limit in limits:
        if isinstance(limit, FieldInfo):
            yield from limit.metadata
        elif isinstance(limit, annotated_types.GroupedMetadata):
            yield from limit
        else:
            yield limit


def types_of_field(field: FieldInfo) -> tuple[FieldType, ...]:
    """What a field takes."""
    return field_types(field.annotation, tuple(_flatten_limits(field.metadata)))


def describe_types(parts: tuple[FieldType, ...]) -> str:
    """Say what is taken: "a number above 0, or a table (start, end)"."""
    return ", or ".join(part.words() for part in parts)


def alternatives(names: list[str]) -> str:
    """Return "a, b or c"."""
    return f"{', '.join(names[:-1])} or {names[-1]}" if len(names) > 1 else "".join(names)


def table_title(cls: type[BaseModel]) -> str:
    """Name a table in messages: its kind, or what it is about."""
    return cls.kind_name() if issubclass(cls, Component) else cls.__name__.removesuffix("Recipe").lower() or "a recipe"


Table = tuple[type[BaseModel], str | None]  # its class, and the distribution of a component

MISSING = object()


@dataclass(frozen=True)
class Node:
    """A place in a recipe: what may stand there, and whose field it is."""

    parts: tuple[FieldType, ...]
    value: Any  # what stands there; MISSING where nothing does
    owner: type[BaseModel] | None = None  # the table that the place is in
    provider: str | None = None  # the distribution of that table, where it is a component

    def of(self) -> str:
        """Name the component whose field it is, in parentheses, where it is one."""
        return f" ({table_title(self.owner)} of {self.provider})" if self.owner and self.provider else ""

    def table(self, kinds: KindLookup) -> Table | None:
        """Return the class of the table that stands here, and its provider where it is a component."""
        for part in self.parts:
            if part.slot is not None:
                default = default_kind(kinds, part.slot.family)
                kind = self.value.get("kind", default) if isinstance(self.value, dict) else self.value
                if isinstance(kind, str) and kind in kinds.family(part.slot.family):
                    return kinds.family(part.slot.family)[kind], kinds.provider(part.slot.family, kind)
            elif part.model is not None and (isinstance(self.value, dict) or self.value is MISSING):
                return part.model, None
        return None

    def step(self, key: str | int, kinds: KindLookup) -> Node:
        """Go to a field, or to an entry of an array."""
        inner = child_value(self.value, key)
        table = self.table(kinds)
        if table is not None and isinstance(key, str):
            cls, provider = table
            field = cls.model_fields.get(key)
            return Node(types_of_field(field) if field else (), inner, cls, provider)
        return Node(
            tuple(entry for part in self.parts for entry in part.entries(key)), inner, self.owner, self.provider
        )


def child_value(value: Any, key: str | int) -> Any:
    """Return a field of a table, or an entry of an array; MISSING where there is none."""
    if isinstance(value, dict):
        return value.get(key, MISSING)
    if isinstance(value, list) and isinstance(key, int) and -len(value) <= key < len(value):
        return value[key]
    return MISSING


def node_at(root: type[BaseModel], raw: Any, path: tuple[str | int, ...], kinds: KindLookup) -> Node:
    """Go from the whole recipe to `path`."""
    node = Node((FieldType(root),), raw)
    for key in path:
        node = node.step(key, kinds)
    return node
