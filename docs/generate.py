"""Write what the documentation says of components and recipes, from the components and recipes themselves.

    python docs/generate.py           # writes docs/catalogue.md and the tables in README.md
    python docs/generate.py --check   # says what is out of date, and fails then

A recipe's row comes from its head: `# system:`, `# result:`, `# command:` and `# grid:` lines. A component's comes from
its docstring and fields.
"""

from __future__ import annotations

import argparse
import inspect
import re
import sys
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from ganforge.api.component import Paper, first_paper
from ganforge.cli.describe import rows
from ganforge.cli.list_plugins import by_plugin
from ganforge.plugins.catalogue import FAMILIES, Catalogue, CatalogueEntry
from ganforge.plugins.loading import load_catalogue

ROOT = Path(__file__).parents[1]
OURS = ("ganforge", "ganforge-")  # distributions of this repository
NOT_MEASURED = "not measured here"
KEYS = ("system", "result", "command", "grid")


class Head(NamedTuple):
    """What the head of a recipe says."""

    path: Path
    system: str
    result: str
    command: str
    grid: str
    paper: Paper

    @property
    def measured(self) -> bool:
        """Whether it was run to a result."""
        return self.result != NOT_MEASURED


def read_head(path: Path) -> Head:
    """Read the head of a recipe; a ValueError that says what is missing in it."""
    lines = path.read_text().partition("\nseed")[0].splitlines()
    text = [line.removeprefix("#").strip() for line in lines]
    paper = first_paper(" ".join(text))
    if paper is None:
        raise ValueError(f"{path.name}: its head names no paper")
    found = dict.fromkeys(KEYS, "")
    for index, line in enumerate(text):
        key, colon, value = line.partition(":")
        if not colon or key not in KEYS:
            continue
        going_on = [value.strip()]
        for more in lines[index + 1 :]:  # continued by lines that are indented by three blanks or more
            if not more.startswith("#   "):
                break
            going_on.append(more.removeprefix("#").strip())
        found[key] = " ".join(going_on)
    for key in ("system", "result"):
        if not found[key]:
            raise ValueError(f"{path.name}: its head has no line '# {key}: ...'")
    head = Head(path, paper=paper, **found)
    if head.measured and not head.command:
        raise ValueError(f"{path.name}: its head gives a result, and no line '# command: ...' that led to it")
    if head.grid and not (ROOT / head.grid).is_file():
        raise ValueError(f"{path.name}: its head names the grid {head.grid}, which does not exist")
    return head


def recipe_table(heads: Sequence[Head]) -> Iterator[str]:
    """Yield the lines of the README's table of recipes, by year and system."""
    yield "| system | paper | recipe | measured |"
    yield "|---|---|---|---|"
    for head in sorted(heads, key=lambda head: (head.paper.year, head.system, not head.measured, head.path.name)):
        cited = head.paper.citation or head.paper.number
        paper = f"[{cited}]({head.paper.link})" if head.paper.link else cited
        grid = f" ([grid]({head.grid}))" if head.grid else ""
        recipe = f"[`{head.path.stem}`](recipes/{head.path.name})"
        yield f"| {head.system} | {paper} | {recipe} | {head.result}{grid} |"


def component_table(catalogue: Catalogue) -> Iterator[str]:
    """Yield the lines of the README's table of kinds, by family."""
    yield "| family | kinds |"
    yield "|---|---|"
    entries = sorted(_ours(catalogue), key=lambda entry: list(FAMILIES).index(entry.family))
    for family, members in groupby(entries, lambda entry: entry.family):
        kinds = sorted(f"`{entry.kind}`" + _origin(entry) for entry in members)
        yield f"| {family} | {', '.join(kinds)} |"


def _ours(catalogue: Catalogue) -> list[CatalogueEntry]:
    return [
        entry
        for entry in catalogue.entries
        if entry.plugin.distribution.startswith(OURS) and entry.plugin.distribution != "ganforge-example"
    ]


def _origin(entry: CatalogueEntry) -> str:
    name = entry.plugin.distribution
    return "" if name == "ganforge" else f" ([plugin](plugins/{name}))"


def catalogue_page(catalogue: Catalogue) -> Iterator[str]:
    """Yield the lines of docs/catalogue.md."""
    yield "# Catalogue"
    yield ""
    yield "Every component with its paper and its fields. Written by `python docs/generate.py`;"
    yield "`ganforge describe KIND` says the same in a terminal, for whatever is installed."
    wanted = set(_ours(catalogue))
    for plugin, entries in by_plugin(catalogue).items():
        members = [entry for entry in entries if entry in wanted]
        if not members:
            continue
        yield ""
        yield f"## {plugin.distribution}"
        for family, group in groupby(members, lambda entry: entry.family):
            yield ""
            yield f"### {family}"
            for entry in group:
                yield from _component(entry)


def _component(entry: CatalogueEntry) -> Iterator[str]:
    doc = inspect.getdoc(entry.cls) or ""
    paper = entry.cls.paper()
    yield ""
    yield f"#### `{entry.kind}`"
    yield ""
    yield from doc.splitlines()
    if paper is not None:
        named = " ".join(part for part in (paper.citation, paper.number) if part)
        yield ""
        yield f"Paper: [{named}]({paper.link}), {paper.year}." if paper.link else f"Paper: {named}."
    fields = [tuple(cell.replace("|", "\\|") for cell in row) for row in rows(entry.cls)]
    if fields:
        yield ""
        yield "| field | default | takes | meaning |"
        yield "|---|---|---|---|"
        for name, default, takes, meaning in fields:
            yield f"| `{name.strip()}` | {default} | {takes} | {meaning} |"


def between(text: str, name: str, lines: Sequence[str]) -> str:
    """Put lines between the marks `<!-- name -->` and `<!-- /name -->` of a text."""
    marked = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
    if len(marked.findall(text)) != 1:
        raise ValueError(f"README.md needs the marks <!-- {name} --> and <!-- /{name} -->, once each")
    body = "\n".join(lines)
    return marked.sub(lambda found: f"{found[1]}{body}\n{found[2]}", text)


def pages() -> dict[Path, str]:
    """Return every page with its text as it should be."""
    catalogue = load_catalogue()
    if catalogue.broken:
        raise ValueError(f"{catalogue.broken[0].name} is broken, so that the catalogue is not whole")
    heads = [read_head(path) for path in sorted((ROOT / "recipes").glob("*.toml"))]
    readme = (ROOT / "README.md").read_text()
    readme = between(readme, "components", list(component_table(catalogue)))
    readme = between(readme, "recipes", list(recipe_table(heads)))
    return {ROOT / "README.md": readme, ROOT / "docs" / "catalogue.md": "\n".join(catalogue_page(catalogue)) + "\n"}


def main() -> int:
    """Write the pages, or check them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; fail where something is out of date")
    options = parser.parse_args()
    stale = [(path, text) for path, text in pages().items() if not path.is_file() or path.read_text() != text]
    for path, text in stale:
        if options.check:
            print(f"{path.relative_to(ROOT)} is out of date; run: python docs/generate.py")
        else:
            path.write_text(text)
            print(f"wrote {path.relative_to(ROOT)}")
    return int(options.check and bool(stale))


if __name__ == "__main__":
    sys.exit(main())
