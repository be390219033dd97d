"""`ganforge schema`: what editors need to help with recipes."""

from __future__ import annotations

import json
from pathlib import Path

import click

from ganforge.cli import options


@click.command("schema")
@click.option("--output", "-o", type=click.Path(path_type=Path), help="Write it to this file instead.")
@options.leave_out
def command(output: Path | None, leave_out: tuple[str, ...]) -> None:
    """Print the JSON schema of recipes, with the components of all installed plugins.

    Editors that use taplo (such as VS Code with Even Better TOML) then complete kinds and fields and mark mistakes:
    write it once with `ganforge schema -o ganforge.schema.json`, and begin a recipe beside it with the line
    `#:schema ./ganforge.schema.json`.
    """
    from ganforge.errors import GanforgeError
    from ganforge.plugins.loading import load_catalogue
    from ganforge.recipes.json_schema import recipe_schema

    text = json.dumps(recipe_schema(load_catalogue(leave_out)), indent=2, ensure_ascii=False)
    if output is None:
        click.echo(text)
        return
    try:
        output.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise GanforgeError(f"{output} cannot be written: {error.strerror}") from error
    click.echo(f"wrote {output}; a recipe that begins with `#:schema {output}` is checked against it", err=True)
