"""Recipes: from TOML to checked components and back; what is wrong is said with its place and the nearest fix.

It knows TOML, pydantic and the catalogue. It must not know how anything is built or played.

Public:

- `changes`: change_recipe
- `fields`: describe_types, types_of_field
- `fragments`: Fragment, adjusted, read_data, read_features, read_metric, usual_metrics
- `json_schema`: recipe_schema
- `parsing`: read_table
- `recipe`: Recipe, monitors_of, plan_of, read_recipe, recipe_digest, standard_monitors
- `toml_writer`: recipe_to_toml
"""
