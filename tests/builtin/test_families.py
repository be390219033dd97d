"""The layout of the built-in families: a module is a component, or lies with what components are made of."""

from __future__ import annotations

import importlib
import inspect
import pkgutil

import pytest

from ganforge import builtin
from ganforge.api import Component

FAMILIES = [entry.name for entry in pkgutil.iter_modules(builtin.__path__)]
PARTS = {"networks": ["layers"], "data": ["files", "sources"]}  # where there is a better word than parts


def components_of(module: str) -> list[str]:
    found = vars(importlib.import_module(module)).values()
    return [
        value.__name__
        for value in found
        if inspect.isclass(value)
        and issubclass(value, Component)
        and value.__module__ == module
        and not inspect.isabstract(value)
        and "kind" in value.model_fields
    ]


@pytest.mark.parametrize("family", FAMILIES)
def test_every_module_of_a_family_is_a_component_and_no_part_is_one(family: str):
    package = importlib.import_module(f"{builtin.__name__}.{family}")
    modules = [entry for entry in pkgutil.iter_modules(package.__path__) if not entry.ispkg]
    assert [m.name for m in modules if not components_of(f"{package.__name__}.{m.name}")] == []
    folders = [entry.name for entry in pkgutil.iter_modules(package.__path__) if entry.ispkg]
    for folder in folders:
        parts = importlib.import_module(f"{package.__name__}.{folder}")
        names = [f"{parts.__name__}.{entry.name}" for entry in pkgutil.iter_modules(parts.__path__)]
        assert {name: found for name in names if (found := components_of(name))} == {}
    assert folders == PARTS.get(family, ["parts"])


def test_no_two_component_classes_have_one_name():
    modules = [entry.name for entry in pkgutil.walk_packages(builtin.__path__, builtin.__name__ + ".")]
    names = [name for module in modules for name in components_of(module)]
    assert sorted(names) == sorted(set(names))
    assert len(names) > 100


def test_a_family_says_what_it_is():
    for family in FAMILIES:
        text = importlib.import_module(f"{builtin.__name__}.{family}").__doc__ or ""
        assert len(text.split()) > 15, family
