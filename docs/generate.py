"""Write what the documentation says of components and recipes, from the components and recipes themselves.

    python docs/generate.py           # writes docs/catalogue.md, docs/reference.md and the table in recipes/README.md
    python docs/generate.py --check   # says what is out of date, and fails then

A recipe's row comes from its head: `# system:`, `# result:`, `# command:` and `# grid:` lines. A component's comes from
its docstring and fields, a public name's from the source.
"""

from __future__ import annotations

import argparse
import inspect
import re
import sys
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

from recipe_table import read_head, recipe_table
from reference_page import reference_page

from ganforge.cli.describe import rows
from ganforge.cli.list_plugins import by_plugin
from ganforge.plugins.catalogue import FAMILIES, Catalogue, CatalogueEntry
from ganforge.plugins.loading import load_catalogue

ROOT = Path(__file__).parents[1]
DOCS, RECIPES = ROOT / "docs", ROOT / "recipes"
OURS = ("ganforge", "ganforge-")  # distributions of this repository


def component_table(catalogue: Catalogue) -> Iterator[str]:
    """Yield the lines of the table of kinds, by family."""
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
    return "" if name == "ganforge" else f" ([plugin](../plugins/{name}))"


def catalogue_page(catalogue: Catalogue) -> Iterator[str]:
    """Yield the lines of docs/catalogue.md."""
    yield "# Catalogue"
    yield ""
    yield "Every component with its paper and its fields. Written by `python docs/generate.py`;"
    yield "`ganforge describe KIND` says the same in a terminal, for whatever is installed."
    yield ""
    yield from component_table(catalogue)
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
        raise ValueError(f"the text needs the marks <!-- {name} --> and <!-- /{name} -->, once each")
    body = "\n".join(lines)
    return marked.sub(lambda found: f"{found[1]}{body}\n{found[2]}", text)


def pages() -> dict[Path, str]:
    """Return every page with its text as it should be."""
    catalogue = load_catalogue()
    if catalogue.broken:
        raise ValueError(f"{catalogue.broken[0].name} is broken, so that the catalogue is not whole")
    heads = [read_head(path) for path in sorted(RECIPES.glob("*.toml"))]
    recipes = RECIPES / "README.md"
    return {
        DOCS / "catalogue.md": "\n".join(catalogue_page(catalogue)) + "\n",
        DOCS / "reference.md": "\n".join(reference_page()) + "\n",
        recipes: between(recipes.read_text(encoding="utf-8"), "recipes", list(recipe_table(heads))),
    }


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
