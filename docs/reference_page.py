"""The page docs/reference.md: every public name with its signature and its docstring, read from the source."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
FACADES = {  # the lists of public names, and whom they are for
    "ganforge.api": "For components",
    "ganforge.runs.python_api": "For programs",
}
WIDTH = 110  # of a field and what is said about it
KINDS = {"abstractmethod": "to be defined", "classmethod": "of the class", "staticmethod": "of the class"}
HEAD = """# Reference

Every name that `ganforge` offers (`from ganforge import Generator`), with its signature and its docstring: first those
that [components](tutorial-plugin.md) use, then those of [programs](python.md). Written by `python docs/generate.py`."""

Definition = ast.FunctionDef | ast.ClassDef | ast.Assign | ast.AnnAssign


class PublicName(NamedTuple):
    """A name of a facade, and where it is defined."""

    name: str
    module: str


class Module:
    """The source of a module and what it defines."""

    def __init__(self, name: str) -> None:
        self.name = name
        base = ROOT.joinpath(*name.split("."))
        path = base / "__init__.py" if base.is_dir() else base.with_suffix(".py")
        self.source = path.read_text(encoding="utf-8")
        self.lines, self.tree = self.source.splitlines(), ast.parse(self.source)

    def definition(self, name: str) -> tuple[int, Definition]:
        """Return the place among the statements, and the statement, that defines a name."""
        for index, node in enumerate(self.tree.body):
            if name in _defined(node) and isinstance(node, Definition):
                return index, node
        raise ValueError(f"{self.name} has no definition of {name}, which a facade lists")

    def text(self, node: ast.AST | None) -> str:
        """Return an expression as it is written, in one line; nothing of None."""
        return " ".join((ast.get_source_segment(self.source, node) or "").split()) if node else ""

    def comment_behind(self, node: ast.stmt) -> str:
        """Return the comment behind a statement, or nothing."""
        behind = re.search(r"  # (?!type:|noqa)(.+)$", self.lines[(node.end_lineno or 1) - 1])
        return behind[1] if behind else ""

    def string_below(self, index: int) -> str:
        """Return the string that stands below an assignment as its docstring, or nothing."""
        match self.tree.body[index + 1 : index + 2]:
            case [ast.Expr(value=ast.Constant(value=str() as text))]:
                return inspect.cleandoc(text)
        return ""

    def comment_above(self, index: int) -> str:
        """Return the lines of comment above a statement and the assignments right before it."""
        line = self.tree.body[index].lineno - 2
        while line > 0 and self.lines[line] and not self.lines[line].startswith("#"):
            line -= 1
        found: list[str] = []
        while line > 0 and self.lines[line].startswith("# "):
            found.insert(0, self.lines[line].removeprefix("# "))
            line -= 1
        return " ".join(found)


def _defined(node: ast.stmt) -> list[str]:
    match node:
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            return [name]
        case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
            return [name]
    return []


def public_names(facade: str) -> Sequence[PublicName]:
    """Return the names that a facade offers, each with the module that it imports the name from.

    Those in its literal `__all__`; without one, those that it imports as themselves (`from x import X as X`).
    """
    body = Module(facade).tree.body
    imported = [
        (alias, node.module)
        for node in body
        if isinstance(node, ast.ImportFrom) and node.module
        for alias in node.names
    ]
    for node in body:
        if isinstance(node, ast.Assign) and _defined(node) == ["__all__"]:
            sources = {alias.name: module for alias, module in imported}
            return [PublicName(name, sources.get(name, facade)) for name in ast.literal_eval(node.value)]
    return [PublicName(alias.name, module) for alias, module in imported if alias.asname == alias.name]


def reference_page() -> Iterator[str]:
    """Yield the lines of docs/reference.md; a ValueError where nothing is said about a name."""
    yield from HEAD.splitlines()
    listed = {title: sorted(public_names(facade), key=lambda name: name.module) for facade, title in FACADES.items()}
    for title, names in listed.items():
        yield ""
        yield f"## {title}"
        yield ""
        for module, members in groupby(names, lambda name: name.module):
            yield f"- `{module}`: {', '.join(f'[`{name}`](#{name.lower()})' for name, _ in members)}"
    for title, names in listed.items():
        for module_name, members in groupby(names, lambda name: name.module):
            module = Module(module_name)
            yield ""
            yield f"## {module_name}"
            yield ""
            yield from (ast.get_docstring(module.tree) or title).split("\n\n")[0].splitlines()
            for member in members:
                yield from _entry(module, member.name)


def _entry(module: Module, name: str) -> Iterator[str]:
    index, node = module.definition(name)
    yield ""
    yield f"### {name}"
    yield ""
    yield "```python"
    match node:
        case ast.ClassDef():
            yield from _class_head(module, node)
            said = ast.get_docstring(node)
        case ast.FunctionDef():
            yield from _signature(module, node)
            said = ast.get_docstring(node)
        case _:
            yield from (ast.get_source_segment(module.source, node) or "").splitlines()
            said = module.string_below(index) or _sentence(module.comment_behind(node) or module.comment_above(index))
    yield "```"
    if not said:
        raise ValueError(f"{module.name}.{name} is public, and nothing is said about it: no docstring, no comment")
    yield ""
    yield from _prose(said)
    if isinstance(node, ast.ClassDef):
        yield from _methods(module, node)


def _sentence(comment: str) -> str:
    return comment[:1].upper() + comment[1:] + ("." if comment and not comment.endswith(".") else "")


def _prose(text: str) -> Iterator[str]:
    """Yield a docstring as Markdown: sections such as `Args:` become lists."""
    section = ""
    for line in text.splitlines():
        if line in {"Args:", "Returns:", "Raises:", "Yields:"}:
            section = line
            yield f"**{line.rstrip(':')}**"
            yield ""
        elif section and re.match(r" {4}\S", line):
            name, colon, rest = line.strip().partition(": ")
            known = colon and section in {"Args:", "Raises:"}
            yield f"- `{name}`: {rest}" if known else f"- {line.strip()}"
        elif section and line.startswith("    "):
            yield f"  {line.strip()}"
        else:
            section = ""
            yield line


def _class_head(module: Module, node: ast.ClassDef) -> Iterator[str]:
    yield from (f"@{module.text(decorator)}" for decorator in node.decorator_list)
    bases = ", ".join(module.text(base) for base in [*node.bases, *node.keywords])
    head = f"class {node.name}({bases}):" if bases else f"class {node.name}:"
    fields: list[str] = []
    init: list[str] = []
    for part in node.body:
        if isinstance(part, ast.AnnAssign) and not module.text(part.target).startswith("_"):
            fields += _field(module, part)
        elif isinstance(part, ast.FunctionDef) and part.name == "__init__" and ast.unparse(part.args) != "self":
            init += _signature(module, part)
    body = [*fields, *([""] if fields and init else []), *init]
    yield from [head, *(f"    {line}".rstrip() for line in body)] if body else [f"{head} ..."]


def _field(module: Module, part: ast.AnnAssign) -> Iterator[str]:
    """Yield a field with its default and what is said about it, behind it or, where that is long, above it."""
    default, said = module.text(part.value), module.comment_behind(part)
    if isinstance(part.value, ast.Call) and module.text(part.value.func) in {"Field", "field"}:
        given = {keyword.arg: keyword.value for keyword in part.value.keywords}
        default = module.text(given.get("default")) or module.text(given.get("default_factory")) + "()"
        default = "" if default == "()" else default
        said = str(ast.literal_eval(given["description"])) if "description" in given else said
    whole = module.text(part.target) + ": " + module.text(part.annotation) + (f" = {default}" if default else "")
    if said and len(whole) + len(said) > WIDTH:
        yield f"# {said}"
        yield whole
    else:
        yield f"{whole}  # {said}" if said else whole


def _signature(module: Module, node: ast.FunctionDef) -> Sequence[str]:
    """Return the lines of a function's head, with dots for its body."""
    start, end = node.lineno - 1, node.body[0].lineno - 1
    lines = [line[node.col_offset :] for line in module.lines[start : max(end, start + 1)]]
    lines[-1] = re.sub(r":( \.\.\.|  #.*)?$", ": ...", lines[-1])
    return lines


def _methods(module: Module, node: ast.ClassDef) -> Iterator[str]:
    methods = [part for part in node.body if isinstance(part, ast.FunctionDef) and not part.name.startswith("_")]
    if methods:
        yield ""
    for method in methods:
        decorators = {module.text(decorator) for decorator in method.decorator_list}
        head = " ".join(line.strip() for line in _signature(module, method))
        head = head.removeprefix("def ").removesuffix(": ...").replace("( ", "(").replace(", )", ")")
        head = re.sub(r"\((self|cls)(, )?", "(", head, count=1)
        head = head.replace("()", "", 1) if decorators & {"property", "cached_property"} else head
        kinds = ", ".join(meaning for name, meaning in KINDS.items() if name in decorators)
        said = " ".join((ast.get_docstring(method) or "").split("\n\n")[0].split())
        yield f"- `{head}`{f' ({kinds})' if kinds else ''}{f': {said}' if said else ''}"
