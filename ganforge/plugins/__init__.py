"""Plugins: what is installed, finding it, and whose code broke.

It knows entry points, pluggy and the families. It must not know any component by name, nor recipes.

Public:

- `blame`: blame
- `catalogue`: Catalogue, CatalogueEntry, FAMILIES, Plugin
- `loading`: CORE, load_catalogue
"""
