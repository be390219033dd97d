"""What is public is listed once, importable from `ganforge`, and all that pages use in the code that they show."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from types import ModuleType

import pytest
from support.paths import DOCS, ROOT

import ganforge
from ganforge import api
from ganforge.runs import python_api

LISTS = [api, python_api]
GENERATED = {"reference.md", "catalogue.md"}
PAGES = [*(path for path in sorted(DOCS.glob("*.md")) if path.name not in GENERATED), ROOT / "README.md"]


@pytest.mark.parametrize("module", LISTS, ids=lambda module: module.__name__)
def test_every_listed_name_is_importable_from_ganforge_and_shown(module: ModuleType) -> None:
    assert len(module.__all__) == len(set(module.__all__))
    for name in module.__all__:
        assert getattr(ganforge, name) is getattr(module, name)
        assert not name.startswith("_")
    assert set(module.__all__) <= set(dir(ganforge))


def test_no_name_is_in_both_lists() -> None:
    assert set(api.__all__) & set(python_api.__all__) == set()


def test_another_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Generater'"):
        _ = ganforge.Generater  # type: ignore[attr-defined]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_code_in_pages_imports_public_names_only(page: Path) -> None:
    for code in re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL):
        for node in ast.walk(ast.parse(code)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "ganforge":
                assert node.module == "ganforge", f"{page.name} shows an import from {node.module}"
                assert {alias.name for alias in node.names} <= set(dir(ganforge)), page.name
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "ganforge":
                assert node.attr in dir(ganforge), f"{page.name} shows ganforge.{node.attr}"


def _offered(package: str) -> set[str]:
    """Return the names that a package's own page lists: in its docstring behind `module`, or imported as themselves."""
    tree = ast.parse((ROOT / "ganforge" / package / "__init__.py").read_text(encoding="utf-8"))
    listed = (ast.get_docstring(tree) or "").partition("Public:")[2]
    names = {name for line in re.findall(r"- `[\w.]+`: ([^-]+)", listed) for name in re.findall(r"\w+", line)}
    imported = (alias for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names)
    return names | {alias.name for alias in imported if alias.asname == alias.name}


def _used(package: str) -> set[str]:
    """Return the names that other packages of ganforge import from a package."""
    found = set()
    for path in (ROOT / "ganforge").rglob("*.py"):
        if path.relative_to(ROOT / "ganforge").parts[0] != package:
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.ImportFrom) and f"{node.module}.".startswith(f"ganforge.{package}."):
                    found |= {alias.name for alias in node.names if alias.name != "*"}
    return found


@pytest.mark.parametrize("package", [path.parent.name for path in sorted((ROOT / "ganforge").glob("*/__init__.py"))])
def test_a_package_says_which_of_its_names_are_for_others(package: str) -> None:
    if package not in ("api", "builtin", "cli"):  # the facade, what only the hook offers, what nobody imports
        assert _used(package) <= _offered(package), "add them below Public: in the package's docstring"
    if package not in ("api", "builtin", "cli", "tracking"):
        extra = _offered(package) - _used(package) - set(python_api.__all__)
        assert not extra, "nobody imports these"
