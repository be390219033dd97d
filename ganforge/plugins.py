"""Finding plugins, isolating broken ones, and the catalogue of what they offer."""

from __future__ import annotations

import importlib.metadata
import inspect
import os
import pkgutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType, ModuleType
from typing import TypeVar

import pluggy

from ganforge import hookspecs
from ganforge.component import Component
from ganforge.errors import PluginError
from ganforge.families import (
    Augmentation,
    Constraint,
    Dataset,
    Discriminator,
    Features,
    Generator,
    Loss,
    Metric,
    Monitor,
    Optimizer,
    Regularizer,
)
from ganforge.game import GameComponent

GROUP = "ganforge"  # the entry-point group; our own components stand in it too
CORE = "ganforge"  # the distribution that no environment variable leaves out
ENVIRONMENT = "GANFORGE_PLUGINS"

FAMILIES: Mapping[str, type[Component]] = MappingProxyType(
    {
        "games": GameComponent,
        "generators": Generator,
        "discriminators": Discriminator,
        "losses": Loss,
        "regularizers": Regularizer,
        "constraints": Constraint,
        "optimizers": Optimizer,
        "augmentations": Augmentation,
        "datasets": Dataset,
        "features": Features,
        "metrics": Metric,
        "monitors": Monitor,
    }
)

AnyComponent = TypeVar("AnyComponent", bound=Component)


def offered(package: ModuleType, family: type[AnyComponent]) -> list[type[AnyComponent]]:
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


@dataclass(frozen=True)
class Plugin:
    """One entry point of the group `ganforge`; `reason` says why it was left out, where it was."""

    name: str
    distribution: str
    version: str
    reason: str | None = None

    @property
    def origin(self) -> str:
        """Distribution and version, for messages."""
        return f"{self.distribution} {self.version}"


@dataclass(frozen=True)
class Entry:
    """One installed component class and where it comes from."""

    family: str
    kind: str
    cls: type[Component]
    plugin: Plugin


class Catalogue:
    """Installed component classes by family and kind, and the plugins that could not be used."""

    def __init__(self, entries: Iterable[Entry], broken: Sequence[Plugin] = ()) -> None:
        self.broken = tuple(broken)
        self._entries: dict[tuple[str, str], Entry] = {}
        for entry in entries:
            other = self._entries.setdefault((entry.family, entry.kind), entry)
            if other is not entry:
                raise PluginError(
                    f"two {entry.family} are called '{entry.kind}': one of {other.plugin.origin} "
                    f"({other.cls.__module__}) and one of {entry.plugin.origin} ({entry.cls.__module__}); uninstall "
                    f"one of them, or leave one out with --no-plugin {entry.plugin.name}"
                )

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Every installed component, by family and kind."""
        order = list(FAMILIES)
        return tuple(sorted(self._entries.values(), key=lambda entry: (order.index(entry.family), entry.kind)))

    def family(self, name: str) -> Mapping[str, type[Component]]:
        """Return the installed classes of a family by kind."""
        assert name in FAMILIES, name
        return {kind: entry.cls for (family, kind), entry in self._entries.items() if family == name}

    def provider(self, family: str, kind: str) -> str:
        """Return the distribution and version that offers a component."""
        return self._entries[family, kind].plugin.origin


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
    entries: list[Entry] = []
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


def _read(point: importlib.metadata.EntryPoint, plugin: Plugin) -> list[Entry]:
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
    entries: list[Entry] = []
    for family, base in FAMILIES.items():
        for classes in manager.subset_hook_caller(f"ganforge_{family}", [])():
            entries += [_entry(family, base, cls, plugin) for cls in classes]
    if not entries:
        raise PluginError(f"{point.value} implements no hook; mark its functions with @hookimpl")
    return entries


def _entry(family: str, base: type[Component], cls: object, plugin: Plugin) -> Entry:
    if not (inspect.isclass(cls) and issubclass(cls, base)):
        raise PluginError(f"ganforge_{family} returned {cls!r}, which is not a subclass of {base.__name__}")
    if inspect.isabstract(cls):
        missing = ", ".join(sorted(cls.__abstractmethods__))
        raise PluginError(f"{cls.__name__}, which ganforge_{family} returned, does not define {missing}")
    if not isinstance(cls.model_fields["kind"].default, str):
        raise PluginError(f'{cls.__name__} has no kind; write kind: Literal["my-kind"] = "my-kind"')
    return Entry(family, cls.kind_name(), cls, plugin)
