"""`ganforge list-plugins`: installed plugins and their components, and what is broken and why."""

from __future__ import annotations

import json
from dataclasses import asdict
from itertools import groupby
from typing import TYPE_CHECKING, Any

import click

from ganforge.cli import options

if TYPE_CHECKING:
    from rich.console import RenderableType

    from ganforge.plugins.catalogue import Catalogue, CatalogueEntry, Plugin


@click.command(name="list-plugins")
@options.as_json
@options.family
@options.leave_out
def command(as_json: bool, family: str | None, leave_out: tuple[str, ...]) -> None:
    """List installed plugins and the components that they offer.

    Plugins that could not be used come last, with the reason. `ganforge describe KIND` tells more about a component.
    """
    from ganforge.plugins.catalogue import Catalogue
    from ganforge.plugins.loading import load_catalogue

    catalogue = load_catalogue(leave_out)
    if family is not None:
        catalogue = Catalogue(entries_of(catalogue, family), catalogue.broken)
    if as_json:
        click.echo(json.dumps(_as_json(catalogue), indent=2))
        return
    from rich.console import Group
    from rich.text import Text

    from ganforge.cli.terminal.tables import listing_width, render

    listed = [_table(plugin, entries) for plugin, entries in by_plugin(catalogue).items()]
    for plugin in catalogue.broken:
        head = f"{plugin.origin}  plugin '{plugin.name}' is broken and was left out"
        listed.append(Text.assemble((head, "bold red"), f"\n  {plugin.reason}\n"))
    click.echo("\n".join(render(Group(*listed), listing_width())))
    if catalogue.broken:
        click.echo("Everything else works. Reinstall what is broken, or leave it out: --no-plugin NAME", err=True)


def entries_of(catalogue: Catalogue, family: str | None) -> list[CatalogueEntry]:
    """Return the components of one family, or of all.

    Raises:
        RecipeError: there is no such family; it names the nearest.
    """
    from ganforge.errors import RecipeError, did_you_mean
    from ganforge.plugins.catalogue import FAMILIES

    if family is not None and family not in FAMILIES:
        near = did_you_mean(family, FAMILIES)
        raise RecipeError(f"there is no family '{family}'{near} (families: {', '.join(FAMILIES)})")
    return [entry for entry in catalogue.entries if family in (None, entry.family)]


def by_plugin(catalogue: Catalogue) -> dict[Plugin, list[CatalogueEntry]]:
    """Return the entries of every plugin, ours first, then by name."""
    from ganforge.plugins.loading import CORE

    found: dict[Plugin, list[CatalogueEntry]] = {}
    for entry in catalogue.entries:
        found.setdefault(entry.plugin, []).append(entry)
    order = sorted(found, key=lambda plugin: (plugin.distribution != CORE, plugin.distribution, plugin.name))
    return {plugin: found[plugin] for plugin in order}


def _table(plugin: Plugin, entries: list[CatalogueEntry]) -> RenderableType:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    parts: list[RenderableType] = [Text.assemble((plugin.origin, "bold cyan"), (f"  plugin '{plugin.name}'", "dim"))]
    width = max(len(entry.kind) for entry in entries)
    for family, members in groupby(entries, lambda entry: entry.family):
        table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
        table.add_column(no_wrap=True, style="bold", min_width=width + 4)
        table.add_column()
        for entry in members:
            table.add_row(f"    {entry.kind}", Text(entry.cls.summary()))
            table.add_row("", Text(_paper_and_fields(entry), style="dim"))
        parts += [Text(f"  {family}", style="cyan"), table]
    return Group(*parts, Text())


def _paper_and_fields(entry: CatalogueEntry) -> str:
    paper = entry.cls.paper()
    parts = [] if paper is None else [" ".join(part for part in (str(paper.year), paper.number) if part)]
    fields = [name for name in entry.cls.model_fields if name != "kind"]
    return "; ".join([*parts, "fields: " + (", ".join(fields) or "none")])


def _as_json(catalogue: Catalogue) -> dict[str, Any]:
    return {
        "plugins": [
            {
                "name": plugin.name,
                "distribution": plugin.distribution,
                "version": plugin.version,
                "components": [
                    {
                        "family": entry.family,
                        "kind": entry.kind,
                        "summary": entry.cls.summary(),
                        "paper": (paper := entry.cls.paper()) and {**paper._asdict(), "link": paper.link},
                        "fields": [name for name in entry.cls.model_fields if name != "kind"],
                        "class": f"{entry.cls.__module__}.{entry.cls.__qualname__}",
                    }
                    for entry in entries
                ],
            }
            for plugin, entries in by_plugin(catalogue).items()
        ],
        "broken": [asdict(plugin) for plugin in catalogue.broken],
    }
