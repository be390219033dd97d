"""Finding plugins, and isolating broken ones."""

from __future__ import annotations

import importlib.metadata
import inspect
import os
from collections.abc import Sequence
from dataclasses import replace

import pluggy

from ganforge.api import hookspecs
from ganforge.api.component import Component
from ganforge.errors import PluginError
from ganforge.plugins.catalogue import FAMILIES, Catalogue, CatalogueEntry, Plugin

GROUP = "ganforge"  # the entry-point group; our own components stand in it too
CORE = "ganforge"  # the distribution that no environment variable leaves out
ENVIRONMENT = "GANFORGE_PLUGINS"
_HOOK = (
    "a plugin implements one hook, marked with @hookimpl: ganforge_components(), which returns its component classes; "
    "their base classes say which family they are of"
)


def load_catalogue(leave_out: Sequence[str] = (), only: Sequence[str] | None = None) -> Catalogue:
    """Load the installed plugins.

    Args:
        leave_out: plugins or distributions not to load.
        only: third-party plugins or distributions to load; None reads the comma-separated `GANFORGE_PLUGINS`, and
            loads all where that is not set.

    Raises:
        PluginError: two components of one family share a kind, or a name to leave out is of no plugin.
    """
    if only is None and ENVIRONMENT in os.environ:
        only = [name.strip() for name in os.environ[ENVIRONMENT].split(",") if name.strip()]
    points = [(_plugin(point), point) for point in importlib.metadata.entry_points(group=GROUP)]
    names = {name for plugin, _ in points for name in (plugin.name, plugin.distribution)}
    for name in (*leave_out, *(only or ())):
        if name not in names:
            raise PluginError(f"no plugin is called '{name}'; installed: {', '.join(sorted(names))}")
    entries: list[CatalogueEntry] = []
    broken: list[Plugin] = []
    for plugin, point in sorted(points, key=lambda pair: (pair[0].distribution, pair[0].name)):
        ours = {plugin.name, plugin.distribution}
        if ours & set(leave_out) or (only is not None and plugin.distribution != CORE and not ours & set(only)):
            continue
        try:
            entries += _read(point, plugin)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a plugin does at import, the others still work
            said = " ".join(str(error).split())
            broken.append(replace(plugin, reason=f"{type(error).__name__}{': ' if said else ''}{said}"))
    return Catalogue(entries, broken)


def _plugin(point: importlib.metadata.EntryPoint) -> Plugin:
    name, version = (point.dist.name, point.dist.version) if point.dist else ("unknown", "")
    return Plugin(point.name, name, version)


def _read(point: importlib.metadata.EntryPoint, plugin: Plugin) -> list[CatalogueEntry]:
    """Register one plugin on a manager of its own, so that what it breaks is its own."""
    manager = pluggy.PluginManager("ganforge")
    manager.add_hookspecs(hookspecs)
    module = point.load()
    manager.register(module, plugin.name)
    try:
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        raise PluginError(f"{error}; {_HOOK}") from error
    entries = [_entry(cls, plugin) for classes in manager.hook.ganforge_components() for cls in classes]
    if not entries:
        raise PluginError(f"{point.value} offers no component; {_HOOK}")
    return entries


def _entry(cls: object, plugin: Plugin) -> CatalogueEntry:
    if not (inspect.isclass(cls) and issubclass(cls, Component)):
        raise PluginError(f"ganforge_components returned {cls!r}, which is no component class; {_HOOK}")
    families = [family for family, base in FAMILIES.items() if issubclass(cls, base)]
    if len(families) != 1:
        bases = ", ".join(base.__name__ for base in FAMILIES.values())
        of = f"of several families ({', '.join(families)})" if families else "of no family"
        raise PluginError(f"{cls.__name__} is {of}; derive it from one of {bases}")
    if inspect.isabstract(cls):
        missing = ", ".join(sorted(cls.__abstractmethods__))
        raise PluginError(f"{cls.__name__}, which ganforge_components returned, does not define {missing}")
    if not isinstance(cls.model_fields["kind"].default, str):
        raise PluginError(f'{cls.__name__} has no kind; write kind: Literal["my-kind"] = "my-kind"')
    return CatalogueEntry(families[0], cls.kind_name(), cls, plugin)
