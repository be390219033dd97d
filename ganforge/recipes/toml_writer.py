"""Writer of whole recipes as TOML, with every default filled in and every field explained."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from ganforge.api.toml import toml_key, toml_value
from ganforge.errors import RecipeError
from ganforge.recipes.recipe import Recipe

_COLUMN = 40  # where comments begin, if the value leaves them room


def recipe_to_toml(recipe: Recipe) -> str:
    """Return a recipe as TOML that reads back to an equal one, each field with its description as a comment.

    Raises:
        RecipeError: a field was left out, in Python, that TOML can only leave to a default other than none.
    """
    return "\n".join(_table(recipe, "", "")) + "\n"


def _table(table: BaseModel, path: str, note: str, opens: str = "[{}]") -> Iterator[str]:
    """Write a table: its plain fields first, then the tables in it, as TOML wants it."""
    if path:
        yield ""
        yield _commented(opens.format(path), note)
    later: list[tuple[str, Any, str]] = []
    for name, field in type(table).model_fields.items():
        value, note = getattr(table, name), " ".join((field.description or "").split())
        if isinstance(value, BaseModel) or _is_tables(value):
            later.append((name, value, note))
        elif value is not None:
            yield _commented(f"{toml_key(name)} = {toml_value(value)}", "" if name == "kind" and not note else note)
        elif field.is_required() or field.default is not None:
            raise RecipeError(f"{path or 'the recipe'}: {name} is none, which TOML cannot say of this field")
        else:
            yield f"# {toml_key(name)} is left out: {note}"
    for name, value, note in later:
        inner = f"{path}.{toml_key(name)}" if path else toml_key(name)
        if isinstance(value, BaseModel):
            yield from _table(value, inner, note)
        else:
            for entry in value:
                yield from _table(entry, inner, note, "[[{}]]")


def _is_tables(value: Any) -> bool:
    return isinstance(value, list | tuple) and len(value) > 0 and all(isinstance(entry, BaseModel) for entry in value)


def _commented(line: str, note: str) -> str:
    return f"{line:<{_COLUMN}}  # {note}" if note else line
