"""A value on one line of TOML, which reads back to the same: in recipes, overrides, remedies and messages."""

from __future__ import annotations

import datetime
import json
import numbers
import re
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel
from pydantic_core import to_jsonable_python

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_LONG_NUMBER = 10_000  # from which on integers get an underscore between thousands


def toml_key(name: str) -> str:
    """Return a key as TOML wants it: in quotes only where it needs them."""
    return name if _BARE_KEY.fullmatch(name) else _text(name)


def toml_value(value: Any) -> str:
    """Return a value on one line of TOML; entries of tables that are None are left out, as TOML has no word for it.

    Raises:
        TypeError: the value, or an entry of an array, is None.
    """
    if isinstance(value, BaseModel):
        value = {name: getattr(value, name) for name in type(value).model_fields}
    match value:
        case None:
            raise TypeError("None cannot be written in TOML: leave the entry out")
        case Mapping():
            pairs = [f"{toml_key(str(key))} = {toml_value(entry)}" for key, entry in value.items() if entry is not None]
            return f"{{ {', '.join(pairs)} }}" if pairs else "{}"
        case list() | tuple() | set() | frozenset():
            return f"[{', '.join(map(toml_value, value))}]"
        case bool():
            return str(value).lower()
        case numbers.Integral():  # NumPy's are numbers too
            whole = int(value)
            return f"{whole:_}" if abs(whole) >= _LONG_NUMBER else str(whole)
        case numbers.Real():
            return repr(float(value))
        case datetime.date() | datetime.time(tzinfo=None):
            return value.isoformat()
    plain = to_jsonable_python(value, fallback=str)
    return _text(plain) if isinstance(plain, str) else toml_value(plain)


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")  # JSON's escapes are among TOML's
