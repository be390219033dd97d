"""The core names no component by its kind and no flag; docstrings of modules begin with a noun."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.installed import catalogue
from support.paths import ROOT

PACKAGE = ROOT / "ganforge"
FLAG = re.compile(r"(?<![\w-])--[a-z]")
KINDS = {entry.kind for entry in catalogue().entries}
WORDS = {  # kinds that are words of the house as well, which name no component where they stand
    "images": "how many were shown",
    "grid": "the picture of fixed latents",
    "torch": "the library",
    "non-finite": "the finding, whoever says it",
}
COMMANDS = {  # files that write the command lines of programs, which have no other form
    "distributed/launch.py": "how several processes are started, by torchrun, accelerate and ganforge",
    "tracking/store.py": "mlflow ui",
    "tracking/metadata.py": "git describe",
    "tracking/redaction.py": "a password that stands on a command line",
}


def texts(source: str) -> Iterator[tuple[int, str]]:
    """Yield the string constants of a module, docstrings and parts of f-strings included, with their lines."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value


def kinds_in(source: str) -> list[tuple[int, str]]:
    return [(line, text) for line, text in texts(source) if text in KINDS - set(WORDS)]


def flags_in(source: str) -> list[tuple[int, str]]:
    return [(line, text) for line, text in texts(source) if FLAG.search(text)]


def core(*besides: str) -> dict[str, Path]:
    files = {str(path.relative_to(PACKAGE)): path for path in sorted(PACKAGE.rglob("*.py"))}
    return {name: path for name, path in files.items() if name.split("/")[0] not in {"builtin", *besides}}


@pytest.mark.parametrize("name", core())
def test_no_component_is_named_by_its_kind(name: str):
    found = kinds_in(core()[name].read_text())
    assert found == [], f"ganforge/{name}: let the component say what is wanted of it"


@pytest.mark.parametrize("name", core("cli"))
def test_no_flag_is_named_outside_the_command_line(name: str):
    if name not in COMMANDS:
        found = flags_in(core("cli")[name].read_text())
        assert found == [], f"ganforge/{name}: say ganforge.errors.argument(...), which the command line spells"


@pytest.mark.parametrize("name", COMMANDS)
def test_what_is_allowed_is_needed(name: str):
    assert flags_in((PACKAGE / name).read_text())


def test_the_words_are_kinds():
    assert set(WORDS) <= KINDS, "a word that is no kind (any more) needs no excuse"


@pytest.mark.parametrize("source", ['x = "adam"', "plan.kind(key) == 'wasserstein'", 'f("r1", gamma=1.0)'])
def test_a_kind_would_be_found(source: str):
    assert kinds_in(source)
    assert not kinds_in('"""As adam does."""')


@pytest.mark.parametrize("source", ['"use --device cpu"', 'f"{a} --out"', '"""Go on with `--resume`."""'])
def test_a_flag_would_be_found(source: str):
    assert flags_in(source)
    assert not flags_in('"a -- b, x--y, ---"')


def test_the_command_line_takes_components_from_the_catalogue():
    for path in sorted((PACKAGE / "cli").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom):
                assert not (node.module or "").startswith("ganforge.builtin"), f"{path}:{node.lineno}"


MODULES = sorted(path for top in ("ganforge", "plugins", "benchmarks") for path in (ROOT / top).rglob("*.py"))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_docstring_of_a_module_begins_with_a_noun(path: Path):
    first = (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").partition(" ")[0]
    assert first, "it has no docstring"
    assert first not in {"What", "How", "When", "Where", "Which", "Who", "Why", "This", "It"}


ONE_THING = {  # functions that several modules define, and that are one thing
    "main": "where a process of its own begins",
    "command": "of the command line, a module each",
    "ganforge_components": "the hook, and who implements it",
    "compare": "for programs, which hands it on",
}


def test_no_two_classes_or_functions_have_one_name():
    places: dict[str, list[str]] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_"):
                places.setdefault(node.name, []).append(str(path.relative_to(PACKAGE)))
    several = {name: found for name, found in places.items() if len(found) > 1 and name not in ONE_THING}
    kinds = {name: found for name, found in several.items() if not all(file.startswith("builtin/") for file in found)}
    assert kinds == {}
