"""Writing a recipe as TOML, with every default filled in and every field explained."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel
from pydantic_core import to_jsonable_python

from ganforge.errors import RecipeError
from ganforge.recipes.recipe import Recipe

_BARE = re.compile(r"[A-Za-z0-9_-]+")
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
            yield _commented(f"{_key(name)} = {inline(value)}", "" if name == "kind" and not note else note)
        elif field.is_required() or field.default is not None:
            raise RecipeError(f"{path or 'the recipe'}: {name} is none, which TOML cannot say of this field")
        else:
            yield f"# {_key(name)} is left out: {note}"
    for name, value, note in later:
        inner = f"{path}.{_key(name)}" if path else _key(name)
        if isinstance(value, BaseModel):
            yield from _table(value, inner, note)
        else:
            for entry in value:
                yield from _table(entry, inner, note, "[[{}]]")


def _is_tables(value: Any) -> bool:
    return isinstance(value, list | tuple) and len(value) > 0 and all(isinstance(entry, BaseModel) for entry in value)


def _commented(line: str, note: str) -> str:
    return f"{line:<{_COLUMN}}  # {note}" if note else line


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else _text(name)


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def inline(value: Any) -> str:
    """Write a value on one line of TOML."""
    if isinstance(value, BaseModel):
        value = {name: getattr(value, name) for name in type(value).model_fields}
    if isinstance(value, dict):
        pairs = [f"{_key(str(key))} = {inline(entry)}" for key, entry in value.items() if entry is not None]
        return f"{{ {', '.join(pairs)} }}" if pairs else "{}"
    if isinstance(value, list | tuple | set | frozenset):
        return f"[{', '.join(inline(entry) for entry in value)}]"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int) and abs(value) >= 10_000:
        return f"{value:_}"
    if isinstance(value, int | float):
        return repr(value)
    plain = to_jsonable_python(value)
    return _text(plain) if isinstance(plain, str) else inline(plain)
