"""JSON schema of recipes for editors: completion, and errors about the fields of the kind that is written.

It is pydantic's, in the draft that taplo reads, with the families, and with one error for a mistake in a union.
"""

from __future__ import annotations

from typing import Any

from pydantic.json_schema import CoreRef, GenerateJsonSchema
from pydantic_core import core_schema

from ganforge.api.component import default_kind
from ganforge.api.families import Regularizer
from ganforge.api.slots import Slot
from ganforge.plugins.catalogue import Catalogue
from ganforge.recipes.fields import table_title
from ganforge.recipes.recipe import Recipe

Schema = dict[str, Any]


def recipe_schema(catalogue: Catalogue) -> Schema:
    """Return the JSON schema of the recipes that the installed components allow.

    It is of draft 7, which taplo reads. Each family is a definition: a table is first held to the kinds there are and
    then to the fields of its kind alone, so that one mistake gives one error.
    """
    made = _SchemaWriter(catalogue).generate(Recipe.__pydantic_core_schema__)
    definitions = _hold_references(made.pop("$defs"))
    return {"$schema": "http://json-schema.org/draft-07/schema#", **_hold_references(made), "definitions": definitions}


def _hold_references(schema: Any) -> Any:
    """Put references among other keys into an `allOf`: draft 7 overlooks what stands beside one."""
    if isinstance(schema, list):
        return [_hold_references(entry) for entry in schema]
    if not isinstance(schema, dict):
        return schema
    held = {key: _hold_references(entry) for key, entry in schema.items()}
    if "$ref" in held and len(held) > 1:
        held["allOf"] = [{"$ref": held.pop("$ref")}]
    return held


class _SchemaWriter(GenerateJsonSchema):
    def __init__(self, catalogue: Catalogue) -> None:
        super().__init__(ref_template="#/definitions/{model}")
        self.catalogue = catalogue

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def sort(self, value: Schema, parent_key: str | None = None) -> Schema:
        return value  # as the fields stand in their classes

    def nullable_schema(self, schema: core_schema.NullableSchema) -> Schema:
        return self.generate_inner(schema["schema"])  # TOML has no null

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> Schema:
        if isinstance(schema.get("default"), bool | int | float | str | tuple):
            return super().default_schema(schema)
        return self.generate_inner(schema["schema"])

    def tuple_schema(self, schema: core_schema.TupleSchema) -> Schema:
        made = super().tuple_schema(schema)
        if "prefixItems" in made:
            made["items"] = made.pop("prefixItems")
        return made

    def model_schema(self, schema: core_schema.ModelSchema) -> Schema:
        """Describe a table. A field too much is refused where it stands; `false` would have taplo mark every field."""
        made, title = super().model_schema(schema), table_title(schema["cls"])
        too_much = f"a field that {title} has not ({', '.join(made['properties'])})"
        return {**made, "title": title, "additionalProperties": {"not": {"title": too_much}}}

    def union_schema(self, schema: core_schema.UnionSchema) -> Schema:
        """Describe alternatives; a table is told from the others first, so that errors are about the one meant."""
        choices = [choice[0] if isinstance(choice, tuple) else choice for choice in schema["choices"]]
        tables = [self.generate_inner(choice) for choice in choices if _is_table(choice)]
        others = [self.generate_inner(choice) for choice in choices if not _is_table(choice)]
        if len(tables) != 1 or len(others) != 1:
            return super().union_schema(schema)
        return {"if": {"type": "object"}, "then": tables[0], "else": others[0], "anyOf": [tables[0], {}]}

    def function_plain_schema(self, schema: core_schema.PlainValidatorFunctionSchema) -> Schema:
        """Describe a family: its definition is written when it is first met."""
        function: Any = schema["function"]["function"]
        slot = function.__self__
        assert isinstance(slot, Slot), "what is validated by a function alone is a component of a family"
        name = CoreRef("-".join(filter(None, ("family", slot.family, slot.player))))
        definition, reference = self.get_cache_defs_ref_schema(name)
        if definition not in self.definitions:
            self.definitions[definition] = {}  # it may hold itself
            self.definitions[definition] = self._family(slot)
        return reference

    def _family(self, slot: Slot) -> Schema:
        classes = {
            kind: cls
            for kind, cls in sorted(self.catalogue.family(slot.family).items())
            if slot.player is None or not issubclass(cls, Regularizer) or cls.player in (slot.player, "either")
        }
        alone = [kind for kind, cls in classes.items() if not any(it.is_required() for it in cls.model_fields.values())]
        default = default_kind(self.catalogue, slot.family)
        tables = {kind: self.generate_inner(cls.__pydantic_core_schema__) for kind, cls in classes.items()}
        by_kind = []
        for kind, table in tables.items():
            named = {"properties": {"kind": {"const": kind}}, "required": [] if kind == default else ["kind"]}
            by_kind.append({"if": named, "then": table})
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
            # allows everything: taplo completes from it, not from `if`
            "anyOf": [{"enum": alone}, *tables.values(), {}],
        }


def _is_table(schema: Any) -> bool:
    return schema["type"] in ("model", "definition-ref")
