"""`ganforge recipe`: what a recipe says, its defaults included."""

from __future__ import annotations

from pathlib import Path

import click

from ganforge.cli import options
from ganforge.cli.messages import say


@click.group("recipe")
def command() -> None:
    """Look at recipes without playing them."""


@command.command("show")
@options.recipe_path
@options.overrides
@options.leave_out
def show_command(recipe: Path, overrides: tuple[str, ...], leave_out: tuple[str, ...]) -> None:
    """Print RECIPE with every default filled in and every field explained, as TOML that can be run."""
    from ganforge.plugins.loading import load_catalogue
    from ganforge.recipes.recipe import read_recipe
    from ganforge.recipes.toml_writer import recipe_to_toml

    read = read_recipe(recipe, load_catalogue(leave_out), overrides, say)
    click.echo(recipe_to_toml(read), nl=False)
