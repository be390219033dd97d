"""The installed components."""

from __future__ import annotations

from ganforge.plugins.catalogue import Catalogue
from ganforge.plugins.loading import load_catalogue

_CATALOGUE: list[Catalogue] = []


def catalogue() -> Catalogue:
    """The installed components, read once for all tests of a process."""
    if not _CATALOGUE:
        _CATALOGUE.append(load_catalogue(only=[]))
    return _CATALOGUE[0]
