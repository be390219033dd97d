"""Finding plugins, and isolating broken ones."""

from __future__ import annotations

import importlib.metadata
import inspect
import os
import pkgutil
from collections.abc import Sequence
from types import ModuleType
from typing import TypeVar

import pluggy

from ganforge.api.component import Component
from ganforge.errors import PluginError
from ganforge.plugins import hookspecs
from ganforge.plugins.catalogue import FAMILIES, Catalogue, CatalogueEntry, Plugin

__all__ = [
    "CORE",
    "ENVIRONMENT",
    "FAMILIES",
    "GROUP",
    "Catalogue",
    "CatalogueEntry",
    "Plugin",
    "components_in",
    "load_catalogue",
]

GROUP = "ganforge"  # the entry-point group; our own components stand in it too
CORE = "ganforge"  # the distribution that no environment variable leaves out
ENVIRONMENT = "GANFORGE_PLUGINS"

AnyComponent = TypeVar("AnyComponent", bound=Component)


def components_in(package: ModuleType, family: type[AnyComponent]) -> list[type[AnyComponent]]:
    """Return the concrete classes of a family that the modules of a package define: a new file is enough."""
    found: list[type[AnyComponent]] = []
    for entry in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        module = importlib.import_module(entry.name)
        for value in vars(module).values():
            if (
                inspect.isclass(value)
                and issubclass(value, family)
                and value.__module__ == module.__name__
                and not inspect.isabstract(value)
            ):
                found.append(value)
    return found


def load_catalogue(leave_out: Sequence[str] = (), only: Sequence[str] | None = None) -> Catalogue:
    """Load the installed plugins.

    Args:
        leave_out: plugins or distributions not to load (`--no-plugin`).
        only: third-party plugins or distributions to load; None reads the comma-separated `GANFORGE_PLUGINS`, and
            loads all where that is not set.

    Raises:
        PluginError: two components of one family share a kind, or a name to leave out is of no plugin.
    """
    if only is None and ENVIRONMENT in os.environ:
        only = [name.strip() for name in os.environ[ENVIRONMENT].split(",") if name.strip()]
    points = sorted(
        importlib.metadata.entry_points(group=GROUP), key=lambda point: (_plugin(point).distribution, point.name)
    )
    names = {name for point in points for name in (point.name, _plugin(point).distribution)}
    for name in (*leave_out, *(only or ())):
        if name not in names:
            raise PluginError(f"no plugin is called '{name}'; installed: {', '.join(sorted(names))}")
    entries: list[CatalogueEntry] = []
    broken: list[Plugin] = []
    for point in points:
        plugin = _plugin(point)
        ours = {plugin.name, plugin.distribution}
        if ours & set(leave_out) or (only is not None and plugin.distribution != CORE and not ours & set(only)):
            continue
        try:
            entries += _read(point, plugin)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a plugin does at import, the others still work
            broken.append(Plugin(plugin.name, plugin.distribution, plugin.version, _reason(error)))
    return Catalogue(entries, broken)


def _plugin(point: importlib.metadata.EntryPoint) -> Plugin:
    if point.dist is None:
        return Plugin(point.name, "unknown", "")
    return Plugin(point.name, point.dist.name, point.dist.version)


def _reason(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _read(point: importlib.metadata.EntryPoint, plugin: Plugin) -> list[CatalogueEntry]:
    """Register one plugin on a manager of its own, so that what it breaks is its own."""
    manager = pluggy.PluginManager("ganforge")
    manager.add_hookspecs(hookspecs)
    module = point.load()
    manager.register(module, plugin.name)
    try:
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        hooks = ", ".join(f"ganforge_{family}" for family in FAMILIES)
        raise PluginError(f"{error}; the hooks are: {hooks}") from error
    entries: list[CatalogueEntry] = []
    for family, base in FAMILIES.items():
        for classes in manager.subset_hook_caller(f"ganforge_{family}", [])():
            entries += [_entry(family, base, cls, plugin) for cls in classes]
    if not entries:
        raise PluginError(f"{point.value} implements no hook; mark its functions with @hookimpl")
    return entries


def _entry(family: str, base: type[Component], cls: object, plugin: Plugin) -> CatalogueEntry:
    if not (inspect.isclass(cls) and issubclass(cls, base)):
        raise PluginError(f"ganforge_{family} returned {cls!r}, which is not a subclass of {base.__name__}")
    if inspect.isabstract(cls):
        missing = ", ".join(sorted(cls.__abstractmethods__))
        raise PluginError(f"{cls.__name__}, which ganforge_{family} returned, does not define {missing}")
    if not isinstance(cls.model_fields["kind"].default, str):
        raise PluginError(f'{cls.__name__} has no kind; write kind: Literal["my-kind"] = "my-kind"')
    return CatalogueEntry(family, cls.kind_name(), cls, plugin)
