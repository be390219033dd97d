"""`ganforge describe`: a component, its paper and its fields."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

from ganforge.cli import options
from ganforge.cli.list_plugins import entries_of

if TYPE_CHECKING:
    from pydantic import BaseModel
    from rich.console import RenderableType

    from ganforge.plugins.catalogue import Catalogue, CatalogueEntry

ARXIV = re.compile(r"arXiv:\s?(\d{4}\.\d{4,5})")


@click.command("describe")
@click.argument("kind")
@options.family
@options.leave_out
def command(kind: str, family: str | None, leave_out: tuple[str, ...]) -> None:
    """Explain the component KIND: its paper, its fields with their bounds and defaults, and who provides it.

    Where several families have that kind, as the generator and the discriminator of one paper, all are explained.
    """
    from rich.console import Group

    from ganforge.cli.terminal.tables import listing_width, render
    from ganforge.plugins.loading import load_catalogue

    entries = find(load_catalogue(leave_out), kind, family)
    click.echo("\n".join(render(Group(*map(_explanation, entries)), listing_width())).rstrip())


def find(catalogue: Catalogue, kind: str, family: str | None = None) -> Sequence[CatalogueEntry]:
    """Return the components of a kind; a `RecipeError` with the nearest names where there is none."""
    from ganforge.errors import RecipeError, did_you_mean

    known = entries_of(catalogue, family)
    found = [entry for entry in known if entry.kind == kind]
    if found:
        return found
    elsewhere = sorted({entry.family for entry in catalogue.entries if entry.kind == kind})
    if elsewhere:
        raise RecipeError(f"'{kind}' is none of the {family}, but of the {' and '.join(elsewhere)}")
    kinds = sorted({entry.kind for entry in known})
    broken = [f"; plugin {lost.name} of {lost.origin} could not be loaded: {lost.reason}" for lost in catalogue.broken]
    installed = f"(installed: {', '.join(kinds) or 'none'})"
    raise RecipeError(f"no component is called '{kind}'{did_you_mean(kind, kinds)} {installed}{''.join(broken)}")


def _explanation(entry: CatalogueEntry) -> RenderableType:
    from rich.console import Group
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    heading = Text.assemble((entry.kind, "bold cyan"), f"  of {entry.family}", (f"  from {entry.plugin.origin}", "dim"))
    doc = inspect.getdoc(entry.cls) or ""
    links = [f"https://arxiv.org/abs/{number}" for number in dict.fromkeys(ARXIV.findall(doc))]
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for name in ("  field", "default", "takes", "meaning"):
        table.add_column(name, overflow="fold")
    for row in rows(entry.cls):
        table.add_row(*(Text(cell) for cell in row))
    fields = table if table.row_count else Text("  it has no fields", style="dim")
    return Group(heading, Padding(Text("\n".join([doc, *links])), (0, 0, 1, 2)), fields, Text())


def rows(cls: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, str, str, str]]:
    """Yield the fields of a table, and of the tables in it: name, default, what it takes, what it means."""
    from ganforge.api.toml import toml_value
    from ganforge.recipes.fields import describe_types, types_of_field

    for name, field in cls.model_fields.items():
        if name == "kind" and not field.is_required():
            continue
        parts = types_of_field(field)
        inner = parts[0].model if len(parts) == 1 and parts[0].slot is None else None
        default = "required" if field.is_required() else "none" if field.default is None else toml_value(field.default)
        default = "below" if inner is not None and default.startswith("{") else default
        takes = "a table" if inner is not None else describe_types(parts)
        yield f"  {prefix}{name}", default, takes, " ".join((field.description or "").split())
        if inner is not None:
            yield from rows(inner, f"{prefix}{name}.")
