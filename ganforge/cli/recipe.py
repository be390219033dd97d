"""`ganforge recipe`: what a recipe says, its defaults included."""

from __future__ import annotations

from pathlib import Path

import click


@click.group("recipe")
def command() -> None:
    """Look at recipes without playing them."""


@command.command("show")
@click.argument("recipe", type=click.Path(path_type=Path))
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override one entry of the recipe.")
@click.option("--no-plugin", "leave_out", multiple=True, metavar="NAME", help="Leave a plugin out.")
def show_command(recipe: Path, overrides: tuple[str, ...], leave_out: tuple[str, ...]) -> None:
    """Print RECIPE with every default filled in and every field explained, as TOML that can be run."""
    from ganforge.plugins.loading import load_catalogue
    from ganforge.recipes.recipe import read_recipe
    from ganforge.recipes.toml_writer import recipe_to_toml

    read = read_recipe(recipe, load_catalogue(leave_out), overrides, lambda notice: click.echo(notice, err=True))
    click.echo(recipe_to_toml(read), nl=False)
