"""The hook that a plugin implements, and finding the components that it offers through it."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from types import ModuleType

import pluggy

from ganforge.api.component import Component

hookspec = pluggy.HookspecMarker("ganforge")
hookimpl = pluggy.HookimplMarker("ganforge")  # marks a plugin's function `ganforge_components`


@hookspec
def ganforge_components() -> list[type[Component]]:  # type: ignore[empty-body]
    """Return the component classes that a plugin offers; each one's family is known by its base class.

    It is called once, when the catalogue is read, and has no side effects; the order of plugins does not matter.
    """


def components_in(package: ModuleType) -> list[type[Component]]:
    """Return the concrete components that the modules of a package define: a new file is enough."""
    found: list[type[Component]] = []
    for entry in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        module = importlib.import_module(entry.name)
        found += [
            value
            for value in vars(module).values()
            if inspect.isclass(value)
            and issubclass(value, Component)
            and value.__module__ == module.__name__
            and not inspect.isabstract(value)
        ]
    return found
