"""`ganforge list-plugins`: what is installed, and what is broken and why."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import RenderableType

    from ganforge.plugins import Catalogue, Entry, Plugin

WIDE = 10_000  # columns off a terminal: programs that read it want one line for each component


@click.command(name="list-plugins")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--no-plugin", multiple=True, metavar="NAME", help="Leave out a plugin or distribution; may be repeated.")
def command(as_json: bool, no_plugin: tuple[str, ...]) -> None:
    """List installed plugins and the components that they offer.

    Plugins that could not be used come last, with the reason. `ganforge describe KIND` tells more about a component.
    """
    from ganforge.plugins import load_catalogue

    catalogue = load_catalogue(no_plugin)
    if as_json:
        click.echo(json.dumps(_as_json(catalogue), indent=2))
        return
    from rich.console import Console

    console = Console(highlight=False) if sys.stdout.isatty() else Console(highlight=False, width=WIDE)
    with console.capture() as text:
        for plugin, entries in by_plugin(catalogue).items():
            console.print(_table(plugin, entries))
        for plugin in catalogue.broken:
            console.print(_broken(plugin))
    click.echo("\n".join(line.rstrip() for line in text.get().splitlines()))
    if catalogue.broken:
        click.echo("Everything else works. Reinstall what is broken, or leave it out: --no-plugin NAME", err=True)


def by_plugin(catalogue: Catalogue) -> dict[Plugin, list[Entry]]:
    """Return the entries of every plugin, ours first, then by name."""
    from ganforge.plugins import CORE

    found: dict[Plugin, list[Entry]] = {}
    for entry in catalogue.entries:
        found.setdefault(entry.plugin, []).append(entry)
    order = sorted(found, key=lambda plugin: (plugin.distribution != CORE, plugin.distribution, plugin.name))
    return {plugin: found[plugin] for plugin in order}


def _table(plugin: Plugin, entries: list[Entry]) -> RenderableType:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True, style="dim")
    table.add_column(no_wrap=True, style="bold")
    table.add_column()
    family = ""
    for entry in entries:
        table.add_row("" if entry.family == family else f"  {entry.family}", entry.kind, Text(entry.cls.summary()))
        family = entry.family
    return Group(Text.assemble((plugin.origin, "bold cyan"), (f"  plugin '{plugin.name}'", "dim")), table, Text())


def _broken(plugin: Plugin) -> RenderableType:
    from rich.text import Text

    head = (f"{plugin.origin}  plugin '{plugin.name}' is broken and was left out", "bold red")
    return Text.assemble(head, f"\n  {plugin.reason}\n")


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
                        "class": f"{entry.cls.__module__}.{entry.cls.__qualname__}",
                    }
                    for entry in entries
                ],
            }
            for plugin, entries in by_plugin(catalogue).items()
        ],
        "broken": [
            {
                "name": plugin.name,
                "distribution": plugin.distribution,
                "version": plugin.version,
                "reason": plugin.reason,
            }
            for plugin in catalogue.broken
        ],
    }
