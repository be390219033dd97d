"""How large, how deep and how long a recipe may be: what reads it stays quick and small, whoever wrote it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from ganforge.errors import RecipeError
from ganforge.toml_places import Path

DEPTH = 32  # tables and arrays in one another; the shipped recipes have 6
LENGTH = 4_096  # entries of an array
TEXT = 65_536  # characters of a text
LARGEST = 2**63  # integers are smaller, whatever their sign: so are those of tensors
_PART = r"""(?:[A-Za-z0-9_-]++|"(?:[^"\\\n]|\\.)*+"|'[^'\n]*+')"""
_TOKEN = re.compile(  # each alternative takes what it has looked at, so that the time is that of the length
    r'"""(?:[^\\]|\\.)*?(?:"""|\Z)'
    r"|'''.*?(?:'''|\Z)"
    rf"|(?P<chain>{_PART}(?:[ \t]*+\.[ \t]*+{_PART}){{{DEPTH}}})"
    rf"|{_PART}|\#[^\n]*+|(?P<opens>[\[{{])|(?P<closes>[\]}}])",
    re.DOTALL,
)


def check_nesting(text: str, name: str) -> None:
    """Refuse a TOML text with keys of very many parts, or with very deep arrays, on which `tomllib` would take hours.

    Raises:
        RecipeError: with line and column.
    """
    depth = 0
    for token in _TOKEN.finditer(text):
        depth = max(depth + (token["opens"] is not None) - (token["closes"] is not None), 0)
        if token["chain"] is None and depth <= DEPTH:
            continue
        line = text.count("\n", 0, token.start()) + 1
        column = token.start() - text.rfind("\n", 0, token.start())
        what = "arrays or tables are nested too deeply" if depth > DEPTH else "a key has too many parts"
        raise RecipeError(f"{name}:{line}:{column}: {what}; expected at most {DEPTH}")


def excesses(raw: Any) -> Iterator[tuple[Path, str]]:
    """Yield where the tables of a recipe are too deep, too long or too large, and what was expected."""
    waiting: list[tuple[Path, Any]] = [((), raw)]
    while waiting:
        path, value = waiting.pop()
        if isinstance(value, dict | list) and len(path) >= DEPTH:
            yield path, f"tables or arrays are nested too deeply; expected at most {DEPTH} in one another"
        elif isinstance(value, list) and len(value) > LENGTH:
            yield path, f"the array has {len(value):,} entries; expected at most {LENGTH:,}"
        elif isinstance(value, dict):
            waiting += [((*path, key), inner) for key, inner in value.items()]
        elif isinstance(value, list):
            waiting += [((*path, index), inner) for index, inner in enumerate(value)]
        elif isinstance(value, str) and len(value) > TEXT:
            yield path, f"the text has {len(value):,} characters; expected at most {TEXT:,}"
        elif isinstance(value, int) and abs(value) >= LARGEST:
            yield path, "the integer is too large; expected less than 2^63"
