"""`ganforge describe`: what a component is, and what can be set."""

from __future__ import annotations

import inspect
import re
import sys
import textwrap
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from pydantic import BaseModel
    from rich.console import Console

    from ganforge.plugins.catalogue import Catalogue, CatalogueEntry

ARXIV = re.compile(r"arXiv:\s?(\d{4}\.\d{4,5})")
WIDE = 10_000  # columns off a terminal: programs that read it want one line for each field


@click.command("describe")
@click.argument("kind")
@click.option("--family", metavar="FAMILY", help="Only the component of this family, such as losses.")
@click.option("--no-plugin", "leave_out", multiple=True, metavar="NAME", help="Leave a plugin out.")
def command(kind: str, family: str | None, leave_out: tuple[str, ...]) -> None:
    """Explain the component KIND: its paper, its fields with their bounds and defaults, and who provides it.

    Where several families have that kind, as the generator and the discriminator of one paper, all are explained.
    """
    from ganforge.plugins.loading import load_catalogue

    entries = find(load_catalogue(leave_out), kind, family)
    from rich.console import Console

    console = Console(highlight=False) if sys.stdout.isatty() else Console(highlight=False, width=WIDE)
    for number, entry in enumerate(entries):
        if number:
            console.print()
        _explain(entry, console)


def find(catalogue: Catalogue, kind: str, family: str | None = None) -> Sequence[CatalogueEntry]:
    """Return the components of a kind; a `RecipeError` with the nearest names where there is none."""
    from ganforge.errors import RecipeError, did_you_mean
    from ganforge.plugins.catalogue import FAMILIES

    if family is not None and family not in FAMILIES:
        near = did_you_mean(family, FAMILIES)
        raise RecipeError(f"there is no family '{family}'{near} (families: {', '.join(FAMILIES)})")
    known = [entry for entry in catalogue.entries if family in (None, entry.family)]
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


def _explain(entry: CatalogueEntry, console: Console) -> None:
    from rich.table import Table
    from rich.text import Text

    noun = entry.family
    console.print(Text.assemble((entry.kind, "bold cyan"), f"  of {noun}", (f"  from {entry.plugin.origin}", "dim")))
    doc = inspect.getdoc(entry.cls) or ""
    console.print(Text(textwrap.indent(doc, "  ")))
    for number in dict.fromkeys(ARXIV.findall(doc)):
        console.print(f"  https://arxiv.org/abs/{number}")
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for heading in ("  field", "default", "takes", "meaning"):
        table.add_column(heading, overflow="fold")
    for row in rows(entry.cls):
        table.add_row(*(Text(cell) for cell in row))
    console.print()
    console.print(table)


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
