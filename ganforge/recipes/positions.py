"""Where in a TOML text each key stands, which no TOML reader of the standard library tells."""

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
        self.text, self.at = text, 0
        self.ends = [end.start() for end in re.finditer("\n", text)]
        self.found: dict[KeyPath, Position] = {}
        self.entries: dict[KeyPath, int] = {}  # arrays of tables: how many entries there are so far

    def document(self) -> Mapping[KeyPath, Position]:
        table: KeyPath = ()
        self.take(_BLANK)
        while self.at < len(self.text):
            if self.text[self.at] == "[":
                table = self.header()
            else:
                self.pair(table)
            self.take(_BLANK)
        return self.found

    def header(self) -> KeyPath:
        brackets = 2 if self.text.startswith("[[", self.at) else 1
        self.at += brackets
        *outer, (name, place) = self.keys()
        self.at += brackets
        table: KeyPath = ()
        for key, where in outer:
            table = self.inside((*table, key), where)
        table = (*table, name)
        if brackets == 1:
            self.found[table] = place
            return table
        self.found.setdefault(table, place)
        self.entries[table] = self.entries.get(table, 0) + 1
        table = (*table, self.entries[table] - 1)
        self.found[table] = place
        return table

    def inside(self, table: KeyPath, place: Position) -> KeyPath:
        self.found.setdefault(table, place)
        return (*table, self.entries[table] - 1) if table in self.entries else table

    def pair(self, table: KeyPath) -> None:
        for key, place in self.keys():
            table = (*table, key)
            self.found.setdefault(table, place)
        self.at += 1  # the equals sign
        self.take(_SPACE)
        self.value(table)

    def keys(self) -> list[tuple[str, Position]]:
        """Read a dotted key and the space around it."""
        keys = []
        while True:
            self.take(_SPACE)
            start = self.at
            first = self.text[start]
            raw = self.take(_BASIC if first == '"' else _LITERAL if first == "'" else _BARE)
            key = tomllib.loads(f"key = {raw}")["key"] if first == '"' else raw.strip("'")
            keys.append((key, self.place(start)))
            self.take(_SPACE)
            if self.text[self.at] != ".":
                return keys
            self.at += 1

    def value(self, path: KeyPath) -> None:
        rest = self.text[self.at : self.at + 3]
        if rest.startswith("["):
            self.array(path)
        elif rest.startswith("{"):
            self.inline(path)
        elif rest == '"""':
            self.take(_LONG_BASIC)
        elif rest == "'''":
            self.take(_LONG_LITERAL)
        else:
            self.take(_BASIC if rest[0] == '"' else _LITERAL if rest[0] == "'" else _SCALAR)

    def array(self, path: KeyPath) -> None:
        index = 0
        self.at += 1
        while self.closes("]"):
            entry = (*path, index)
            start = self.at
            self.value(entry)
            self.found[entry] = self.place(start)
            index += 1

    def inline(self, path: KeyPath) -> None:
        self.at += 1
        while self.closes("}"):
            self.pair(path)

    def closes(self, bracket: str) -> bool:
        """Skip to the next entry; False at the end of the array or table, which is skipped too."""
        self.take(_BLANK)
        if self.text[self.at] == ",":
            self.at += 1
            self.take(_BLANK)
        if self.text[self.at] != bracket:
            return True
        self.at += 1
        return False

    def take(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self.text, self.at)
        assert match is not None, f"not TOML at {self.at}"
        self.at = match.end()
        return match.group()

    def place(self, start: int) -> Position:
        before = bisect_left(self.ends, start)
        column = start - (self.ends[before - 1] if before else -1)
        return Position(before + 1, column, start, self.at)
