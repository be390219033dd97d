"""Positions of keys in a TOML text, for messages with line and column; tomllib and pydantic do not tell them."""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass

KeyPath = tuple[str | int, ...]  # keys, and indices into arrays

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_BASIC = re.compile(r'"(?:[^"\\]|\\.)*"')
_LITERAL = re.compile(r"'[^']*'")
_LONG_BASIC = re.compile(r'"""(?:[^\\]|\\.)*?"""(?:"{1,2})?', re.DOTALL)
_LONG_LITERAL = re.compile(r"'''.*?'''(?:'{1,2})?", re.DOTALL)
_SCALAR = re.compile(r"[^,\]}#\s]+(?: \d[^,\]}#\s]*)?")  # numbers, booleans, dates (with a space before the time)
_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_SPACE = re.compile(r"[ \t]*")


@dataclass(frozen=True)
class Position:
    """A stretch of a text: `line` and `column` count characters from 1, `start` and `end` from 0."""

    line: int
    column: int
    start: int
    end: int


def positions(text: str) -> Mapping[KeyPath, Position]:
    """Return the place of every key and every array entry of a text that `tomllib` accepts.

    A table that is opened by its own header stands there, otherwise where it is first mentioned.
    """
    return _Scanner(text).document()


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text, self.offset = text, 0
        self.newlines = [end.start() for end in re.finditer("\n", text)]
        self.positions: dict[KeyPath, Position] = {}
        self.array_lengths: dict[KeyPath, int] = {}  # arrays of tables: how many entries there are so far

    def document(self) -> Mapping[KeyPath, Position]:
        table: KeyPath = ()
        self.consume(_BLANK)
        while self.offset < len(self.text):
            if self.text[self.offset] == "[":
                table = self.table_header()
            else:
                self.key_value(table)
            self.consume(_BLANK)
        return self.positions

    def table_header(self) -> KeyPath:
        brackets = 2 if self.text.startswith("[[", self.offset) else 1
        self.offset += brackets
        *outer, (name, place) = self.dotted_key()
        self.offset += brackets
        table: KeyPath = ()
        for key, where in outer:
            table = self.enter_table((*table, key), where)
        table = (*table, name)
        if brackets == 2:
            self.array_lengths[table] = self.array_lengths.get(table, 0) + 1
            table = self.enter_table(table, place)
        self.positions[table] = place
        return table

    def enter_table(self, table: KeyPath, place: Position) -> KeyPath:
        self.positions.setdefault(table, place)
        return (*table, self.array_lengths[table] - 1) if table in self.array_lengths else table

    def key_value(self, table: KeyPath) -> None:
        for key, place in self.dotted_key():
            table = (*table, key)
            self.positions.setdefault(table, place)
        self.offset += 1  # the equals sign
        self.consume(_SPACE)
        self.any_value(table)

    def dotted_key(self) -> list[tuple[str, Position]]:
        """Read a dotted key and the space around it."""
        keys = []
        while True:
            self.consume(_SPACE)
            start = self.offset
            first = self.text[start]
            raw = self.consume(_BASIC if first == '"' else _LITERAL if first == "'" else _BARE)
            key = tomllib.loads(f"key = {raw}")["key"] if first == '"' else raw.strip("'")
            keys.append((key, self.position_since(start)))
            self.consume(_SPACE)
            if self.text[self.offset] != ".":
                return keys
            self.offset += 1

    def any_value(self, path: KeyPath) -> None:
        rest = self.text[self.offset : self.offset + 3]
        if rest.startswith("["):
            self.array(path)
        elif rest.startswith("{"):
            self.inline_table(path)
        elif rest == '"""':
            self.consume(_LONG_BASIC)
        elif rest == "'''":
            self.consume(_LONG_LITERAL)
        else:
            self.consume(_BASIC if rest[0] == '"' else _LITERAL if rest[0] == "'" else _SCALAR)

    def array(self, path: KeyPath) -> None:
        index = 0
        self.offset += 1
        while self.has_next("]"):
            entry = (*path, index)
            start = self.offset
            self.any_value(entry)
            self.positions[entry] = self.position_since(start)
            index += 1

    def inline_table(self, path: KeyPath) -> None:
        self.offset += 1
        while self.has_next("}"):
            self.key_value(path)

    def has_next(self, bracket: str) -> bool:
        """Skip to the next entry; False at the end of the array or table, which is skipped too."""
        self.consume(_BLANK)
        if self.text[self.offset] == ",":
            self.offset += 1
            self.consume(_BLANK)
        if self.text[self.offset] != bracket:
            return True
        self.offset += 1
        return False

    def consume(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self.text, self.offset)
        assert match is not None, f"not TOML at {self.offset}"
        self.offset = match.end()
        return match.group()

    def position_since(self, start: int) -> Position:
        before = bisect_left(self.newlines, start)
        column = start - (self.newlines[before - 1] if before else -1)
        return Position(before + 1, column, start, self.offset)
