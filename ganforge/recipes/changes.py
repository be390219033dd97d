"""Changes to a recipe that was read: entries by their keys, checked as if they had been written."""

from __future__ import annotations

from collections.abc import Mapping

from ganforge.api.toml import toml_value
from ganforge.plugins.catalogue import Catalogue
from ganforge.plugins.loading import load_catalogue
from ganforge.recipes.recipe import Recipe, parse_recipe
from ganforge.recipes.toml_writer import recipe_to_toml


def change_recipe(recipe: Recipe, changes: Mapping[str, object], catalogue: Catalogue | None = None) -> Recipe:
    """Return a recipe with other entries, every one of them checked.

    Args:
        recipe: to begin with; it stays as it is.
        changes: values by dotted key, such as `{"run.images": 2_000, "game.loss": "hinge"}`; tables are mappings, and
            None leaves out what is none by default, such as a player's `ema`.
        catalogue: the installed components; None = as they are now.

    Raises:
        RecipeError: a key or a value cannot be.
    """
    overrides = [f"{key}={'none' if value is None else toml_value(value)}" for key, value in changes.items()]
    components = load_catalogue() if catalogue is None else catalogue
    return parse_recipe(recipe_to_toml(recipe), "the recipe", components, overrides)
