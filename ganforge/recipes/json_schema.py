"""JSON schema of recipes for editors: completion, and errors about the fields of the kind that is written.

Not pydantic's own: that is of a draft which taplo does not read, knows no families, and gives an error for each branch
of a union.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import annotated_types
from pydantic import BaseModel
from pydantic_core import to_jsonable_python

from ganforge.api.component import default_kind
from ganforge.api.families import Regularizer
from ganforge.api.slots import Slot
from ganforge.plugins.catalogue import Catalogue
from ganforge.recipes.fields import FieldType, field_types, table_title, types_of_field
from ganforge.recipes.recipe import Recipe

Schema = dict[str, Any]

_PLAIN: Mapping[Any, str] = {int: "integer", float: "number", bool: "boolean", str: "string", Path: "string"}
_BOUNDS = (
    (annotated_types.Gt, "gt", "exclusiveMinimum"),
    (annotated_types.Ge, "ge", "minimum"),
    (annotated_types.Lt, "lt", "exclusiveMaximum"),
    (annotated_types.Le, "le", "maximum"),
    (annotated_types.MultipleOf, "multiple_of", "multipleOf"),
)
_LENGTHS = ((annotated_types.MinLen, "min_length", "min"), (annotated_types.MaxLen, "max_length", "max"))


def recipe_schema(catalogue: Catalogue) -> Schema:
    """Return the JSON schema of the recipes that the installed components allow.

    It is of draft 7, which taplo reads. Each family is a definition: a table is first held to the kinds there are and
    then to the fields of its kind alone, so that one mistake gives one error.
    """
    writer = _SchemaWriter(catalogue)
    whole = writer.table(Recipe)
    return {"$schema": "http://json-schema.org/draft-07/schema#", **whole, "definitions": writer.definitions}


class _SchemaWriter:
    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        self.definitions: dict[str, Schema] = {}

    def table(self, cls: type[BaseModel]) -> Schema:
        """Describe a table. A field too much is refused where it stands; `false` would have taplo mark every field."""
        fields = {name: self.field(cls, name) for name in cls.model_fields}
        required = [name for name, field in cls.model_fields.items() if field.is_required()]
        return {
            "title": table_title(cls),
            "description": inspect.getdoc(cls) or "",
            "type": "object",
            "properties": fields,
            "required": required,
            "additionalProperties": {
                "not": {"title": f"a field that {table_title(cls)} has not ({', '.join(fields)})"}
            },
        }

    def field(self, cls: type[BaseModel], name: str) -> Schema:
        field = cls.model_fields[name]
        described: Schema = {"description": field.description} if field.description else {}
        if not field.is_required() and isinstance(field.default, bool | int | float | str | tuple):
            described["default"] = to_jsonable_python(field.default)
        inner = self.parts(types_of_field(field))
        return {**described, "allOf": [inner]} if "$ref" in inner and described else {**inner, **described}

    def parts(self, parts: tuple[FieldType, ...]) -> Schema:
        """Describe alternatives; a table is told from the others first, so that errors are about the one meant."""
        if len(parts) == 1:
            return self.part(parts[0])
        tables = [part for part in parts if part.model is not None and part.slot is None]
        others = tuple(part for part in parts if part not in tables)
        if len(tables) == 1 and others and not any(part.slot for part in others):
            table = self.part(tables[0])
            return {"if": {"type": "object"}, "then": table, "else": self.parts(others), "anyOf": [table, {}]}
        return {"anyOf": [self.part(part) for part in parts]} if parts else {}

    def part(self, part: FieldType) -> Schema:
        arguments, origin = get_args(part.type), get_origin(part.type)
        if part.slot is not None:
            return self.family(part.slot)
        if part.model is not None:
            return self.refer(f"{part.model.__module__}.{part.model.__qualname__}", part.model)
        if origin is Literal:
            return {"enum": list(arguments)}
        if origin is tuple and arguments[-1] is not Ellipsis:
            entries = [self.parts(field_types(argument)) for argument in arguments]
            return {"type": "array", "items": entries, "minItems": len(entries), "maxItems": len(entries)}
        if origin in (tuple, list, set, frozenset):
            return {"type": "array", "items": self.parts(field_types(arguments[0])), **self.limits(part, "Items")}
        if origin is dict:
            return {"type": "object", "additionalProperties": self.parts(field_types(arguments[1]))}
        return {"type": _PLAIN[part.type], **self.limits(part, "Length")} if part.type in _PLAIN else {}

    def limits(self, part: FieldType, length: str) -> Schema:
        said: Schema = {}
        for limit in part.limits:
            said.update({word: getattr(limit, name) for kind, name, word in _BOUNDS if isinstance(limit, kind)})
            said.update(
                {word + length: getattr(limit, name) for kind, name, word in _LENGTHS if isinstance(limit, kind)}
            )
        return said

    def refer(self, name: str, cls: type[BaseModel]) -> Schema:
        if name not in self.definitions:
            self.definitions[name] = {}  # a table may hold itself
            self.definitions[name] = self.table(cls)
        return {"$ref": f"#/definitions/{name}"}

    def family(self, slot: Slot) -> Schema:
        name = ".".join(filter(None, ("family", slot.family, slot.player)))
        if name not in self.definitions:
            self.definitions[name] = {}
            self.definitions[name] = self._family(slot)
        return {"$ref": f"#/definitions/{name}"}

    def _family(self, slot: Slot) -> Schema:
        classes = {
            kind: cls
            for kind, cls in sorted(self.catalogue.family(slot.family).items())
            if slot.player is None or not issubclass(cls, Regularizer) or cls.player in (slot.player, "either")
        }
        alone = [
            kind for kind, cls in classes.items() if not any(field.is_required() for field in cls.model_fields.values())
        ]
        default = default_kind(self.catalogue, slot.family)
        tables = {kind: self.refer(f"{slot.family}.{kind}", cls) for kind, cls in classes.items()}
        by_kind = [
            {
                "if": {"properties": {"kind": {"const": kind}}, "required": [] if kind == default else ["kind"]},
                "then": table,
            }
            for kind, table in tables.items()
        ]
        return {
            "description": f"A {slot.noun}: its kind, alone or in a table with its fields.",
            "if": {"type": "string"},
            "then": {"enum": alone},
            "else": {
                "type": "object",
                "properties": {"kind": {"enum": list(classes)}},
                "required": [] if default else ["kind"],
                **({"allOf": by_kind} if by_kind else {}),
            },
            "anyOf": [
                {"enum": alone},
                *tables.values(),
                {},
            ],  # allows everything: taplo completes from it, not from `if`
        }
