"""Recipes: from TOML to checked components and back; what is wrong is said with its place and the nearest fix.

It knows TOML, pydantic and the catalogue. It must not know how anything is built or played.
"""
