"""Imports go upward in one list only, and each room knows what it may know. Read from the source, not by importing."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
from support.paths import ROOT

PACKAGE = ROOT / "ganforge"
ORDER = [
    "errors",
    "version",
    "decoding",
    "api",
    "storage",
    "tracking",
    "plugins",
    "distributed",
    "diagnosis",
    "recipes",
    "evaluation",
    "training",
    "runs",
    "cli",
]
BELOW_CLI = set(ORDER) - {"cli"}
FILES = {"__init__.py", "__main__.py", "errors.py", "version.py", "py.typed"}


def modules(folder: Path = PACKAGE) -> Iterator[tuple[str, Path]]:
    """Every module of the package with its dotted name."""
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


def imports(path: Path, *, for_types: bool = False) -> set[str]:
    """The absolute names that a module imports, wherever in it; those for type checkers only when asked for."""
    found: set[str] = set()

    def visit(node: ast.AST) -> None:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test) and not for_types:
            for other in node.orelse:
                visit(other)
            return
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            assert node.module is not None
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found.update(name if is_module(name) else node.module for name in names)
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(ast.parse(path.read_text()))
    return found


def is_module(name: str) -> bool:
    path = ROOT / Path(*name.split("."))
    return path.with_suffix(".py").exists() or (path / "__init__.py").exists()


def layer(name: str) -> str:
    return name.split(".")[1] if "." in name else ""


MODULES = dict(modules())
EACH = pytest.mark.parametrize("name", MODULES)
OUTSIDE = {"", "__main__", "builtin", "cli"}  # the package itself, the entry to the command line, components
CORE = [name for name in MODULES if layer(name) in BELOW_CLI]


def test_the_tree_is_the_architecture():
    entries = [path for path in PACKAGE.iterdir() if path.name != "__pycache__"]
    assert {path.name for path in entries if path.is_file()} == FILES
    packages = {path.name for path in entries if path.is_dir()}
    assert packages == {*ORDER, "builtin"} - {"errors", "version"}


@pytest.mark.parametrize("name", [*ORDER[2:], "builtin"])
def test_every_package_says_what_it_knows_and_must_not_know(name: str):
    said = ast.get_docstring(ast.parse((PACKAGE / name / "__init__.py").read_text()))
    assert said
    assert "must not know" in " ".join(said.split()), f"ganforge/{name}/__init__.py: what must it not know?"


@EACH
def test_every_module_has_a_place(name: str):
    assert layer(name) in {*ORDER, *OUTSIDE}, f"give {name} its place in the order of layers"


def test_the_search_finds_imports():
    assert "ganforge.api.dice" in imports(PACKAGE / "training" / "runner.py")
    assert len(MODULES) > 60


@pytest.mark.parametrize("name", CORE)
def test_imports_go_upward_only(name: str):
    own = ORDER.index(layer(name))
    for target in imports(MODULES[name], for_types=True):
        if not target.startswith("ganforge.") or layer(target) == layer(name):
            continue
        assert layer(target) in ORDER, f"{name} imports {target}, which has no place in the order of layers"
        assert ORDER.index(layer(target)) < own, f"{name} imports {target}, which is below it"


def test_no_two_files_import_each_other_not_even_for_types():
    graph = {
        name: {target for target in imports(path, for_types=True) if target in MODULES and target != name}
        for name, path in MODULES.items()
    }
    for name, targets in graph.items():  # a package's own list of names is not what its files stand on
        targets -= {name.rpartition(".")[0]}
    TopologicalSorter(graph).prepare()  # raises a CycleError that names them


@pytest.mark.parametrize("name", [name for name in MODULES if layer(name) not in OUTSIDE])
def test_the_core_knows_no_component(name: str):
    assert not [target for target in imports(MODULES[name]) if target.startswith(("ganforge.builtin", "ganforge.cli"))]


@pytest.mark.parametrize("name", [name for name in MODULES if layer(name) == "cli"])
def test_the_command_line_knows_no_component_and_decodes_nothing(name: str):
    assert not [target for target in imports(MODULES[name]) if layer(target) in {"builtin", "decoding"}]


def test_the_runner_knows_neither_recipes_nor_plugins():
    seen, waiting = set(), ["ganforge.training.runner"]
    while waiting:  # not even by way of others, but for the shape of a player's recipe
        name = waiting.pop()
        seen.add(name)
        waiting += [t for t in imports(MODULES[name]) if t.startswith("ganforge.") and t not in seen]
    forbidden = (
        "ganforge.builtin",
        "ganforge.recipes.recipe",
        "ganforge.plugins",
        "ganforge.tracking",
        "ganforge.training.callbacks",
    )
    assert not [name for name in seen if name.startswith(forbidden)]
    outside = {target.split(".")[0] for target in imports(MODULES["ganforge.training.runner"])} - set(
        sys.stdlib_module_names
    )
    assert outside <= {"torch", "accelerate", "ganforge"}


@pytest.mark.parametrize("name", [name for name in MODULES if layer(name) == "builtin"])
def test_components_import_the_facade_only(name: str):
    for target in imports(MODULES[name], for_types=True):
        if target.split(".")[0] == "ganforge" and layer(target) != "builtin":
            assert target == "ganforge.api", f"{name} imports {target}"


def plugin_files() -> list[Path]:
    return [path for path in sorted((ROOT / "plugins").rglob("*.py")) if "build" not in path.parts]


@pytest.mark.parametrize("path", plugin_files(), ids=lambda path: path.stem)
def test_plugins_import_the_facade_only(path: Path):
    for target in imports(path, for_types=True):
        if target.split(".")[0] == "ganforge" and not path.stem.startswith("test_"):
            assert target == "ganforge", f"{path.name} imports {target}"


@EACH
def test_who_may_import_what(name: str):
    outside = {target.split(".")[0] for target in imports(MODULES[name])}
    if name not in {"ganforge.tracking.sidecar", "ganforge.tracking.mlflow_mirror"}:
        assert "mlflow" not in outside, f"{name}: only the sidecar's process imports mlflow"
    if layer(name) != "cli":
        assert not outside & {"click", "rich"}, f"{name}: only the command line talks to a terminal"
    assert not outside & {"cloudpickle", "dill", "joblib"}, f"{name}: nothing is pickled"


@EACH
def test_nobody_reaches_into_another_module(name: str):
    """Names that begin with an underscore stay at home."""
    for node in ast.walk(ast.parse(MODULES[name].read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("ganforge"):
            private = [alias.name for alias in node.names if alias.name.startswith("_") and alias.name != "__version__"]
            assert private == [], f"{name} imports {private} of {node.module}"


@EACH
def test_no_guessing_and_no_global_chance(name: str):
    """No hasattr; no draws from global generators but for weights; nothing unpickled."""
    for node in ast.walk(ast.parse(MODULES[name].read_text())):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            assert called != "hasattr", f"{name}:{node.lineno}: hasattr"
            assert called not in {"eval", "exec", "pickle.load", "pickle.loads"}, f"{name}:{node.lineno}: {called}"
            if called == "torch.load":
                assert "weights_only=True" in ast.unparse(node), f"{name}:{node.lineno}: the full unpickler"
            assert not called.startswith(("np.random.rand", "np.random.seed", "random.random", "random.seed")), name
    assert Path(name.split(".")[-1]).stem not in {"utils", "helpers", "misc", "common"}
