"""TOML text of a recipe, read within bounds, and why it cannot be read."""

from __future__ import annotations

import difflib
import re
import stat
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ganforge.errors import RecipeError
from ganforge.recipes.positions import KeyPath as KeyPath

MAX_DEPTH = 32  # tables and arrays in one another; the shipped recipes have 6
MAX_ENTRIES = 4_096  # entries of an array
MAX_TEXT = 65_536  # characters of a text
INTEGER_LIMIT = 2**63  # integers are smaller, whatever their sign: so are those of tensors
_PART = r"""(?:[A-Za-z0-9_-]++|"(?:[^"\\\n]|\\.)*+"|'[^'\n]*+')"""
_TOKEN = re.compile(  # each alternative takes what it has looked at, so that the time is that of the length
    r'"""(?:[^\\]|\\.)*?(?:"""|\Z)'
    r"|'''.*?(?:'''|\Z)"
    rf"|(?P<chain>{_PART}(?:[ \t]*+\.[ \t]*+{_PART}){{{MAX_DEPTH}}})"
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
        if token["chain"] is None and depth <= MAX_DEPTH:
            continue
        line = text.count("\n", 0, token.start()) + 1
        column = token.start() - text.rfind("\n", 0, token.start())
        what = "arrays or tables are nested too deeply" if depth > MAX_DEPTH else "a key has too many parts"
        raise RecipeError(f"{name}:{line}:{column}: {what}; expected at most {MAX_DEPTH}")


def find_excesses(raw: Any) -> Iterator[tuple[KeyPath, str]]:
    """Yield where the tables of a recipe are too deep, too long or too large, and what was expected."""
    waiting: list[tuple[KeyPath, Any]] = [((), raw)]
    while waiting:
        path, value = waiting.pop()
        if isinstance(value, dict | list) and len(path) >= MAX_DEPTH:
            yield path, f"tables or arrays are nested too deeply; expected at most {MAX_DEPTH} in one another"
        elif isinstance(value, list) and len(value) > MAX_ENTRIES:
            yield path, f"the array has {len(value):,} entries; expected at most {MAX_ENTRIES:,}"
        elif isinstance(value, dict):
            waiting += [((*path, key), inner) for key, inner in value.items()]
        elif isinstance(value, list):
            waiting += [((*path, index), inner) for index, inner in enumerate(value)]
        elif isinstance(value, str) and len(value) > MAX_TEXT:
            yield path, f"the text has {len(value):,} characters; expected at most {MAX_TEXT:,}"
        elif isinstance(value, int) and abs(value) >= INTEGER_LIMIT:
            yield path, "the integer is too large; expected less than 2^63"


MAX_FILE_BYTES = 2**17  # bytes; a recipe has a few hundred, with every default filled in a few thousand
_ERROR_POSITION = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")


def read_text(path: Path) -> str:
    """Return the text of a recipe file.

    Raises:
        RecipeError: there is no such file, or it is not a small UTF-8 text.
    """
    try:
        state = path.stat()
        if stat.S_ISDIR(state.st_mode):
            raise RecipeError(f"{path} is a folder; expected a recipe{_recipes_in(path)}")
        if not stat.S_ISREG(state.st_mode):
            raise RecipeError(f"{path} is not a regular file; expected a recipe in TOML")
        if state.st_size > MAX_FILE_BYTES:
            raise RecipeError(
                f"{path} has {state.st_size:,} bytes, and a recipe at most {MAX_FILE_BYTES:,}; is it a recipe?"
            )
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise RecipeError(f"there is no file {path}{_nearest(path)}") from error
    except RecipeError:
        raise
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise RecipeError(f"{str(path)!r} cannot be read: {reason}") from error
    return decode_text(content, str(path))


def read_table(path: Path) -> dict[str, Any]:
    """Return the tables of a recipe file, whatever they say.

    Raises:
        RecipeError: there is no such file, or it is no TOML.
    """
    return parse_text(read_text(path), str(path))


def decode_text(content: bytes, name: str) -> str:
    """Return the text of a recipe; a `RecipeError` with the place where it is not UTF-8."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start]
        line, column = before.count(b"\n") + 1, len(before) - before.rfind(b"\n")
        raise RecipeError(
            f"{name}:{line}:{column}: the byte 0x{content[error.start]:02x} is not UTF-8; save the file as UTF-8"
        ) from error


def parse_text(text: str, name: str) -> dict[str, Any]:
    """Return the tables of a TOML text; `name` stands for the file in messages.

    Raises:
        RecipeError: it is not TOML; with the line, quoted.
    """
    check_nesting(text, name)
    try:
        return tomllib.loads(text)
    except ValueError as error:
        message = str(error)
        found = _ERROR_POSITION.search(message)
        if found is None:  # such as a number of more digits than Python converts
            raise RecipeError(f"{name}: not TOML: {message}") from error
        lines = text.replace("\r\n", "\n").split("\n")
        line = int(found[1]) if found[1] else len(lines)
        column = int(found[2]) if found[2] else len(lines[-1]) + 1
        quoted = lines[min(line, len(lines)) - 1]
        mark = f"\n  {quoted[:120]}\n  {' ' * (column - 1)}^" if column <= 120 else ""
        raise RecipeError(f"{name}:{line}:{column}: not TOML: {message[: found.start()]}{mark}") from error


def _nearest(path: Path) -> str:
    try:
        siblings = {file.name: file for file in path.parent.glob("*.toml")}
    except (OSError, ValueError):
        siblings = {}
    near = difflib.get_close_matches(path.name, siblings, 1) or difflib.get_close_matches(path.stem, siblings, 1)
    if near:
        return f"; did you mean {siblings[near[0]]}?"
    if siblings:
        return f"; {path.parent} has: {', '.join(sorted(siblings)[:20])}"
    return f"; {path.parent} has no *.toml" if path.parent.is_dir() else f"; there is no folder {path.parent}"


def _recipes_in(folder: Path) -> str:
    try:
        inside = sorted(str(file) for file in folder.glob("*.toml"))
    except OSError:
        return ""
    return f", such as {', '.join(inside[:5])}" if inside else ", and it holds no *.toml"
