"""Catalogue: installed component classes by family and kind."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from ganforge.api import families
from ganforge.api.component import Component, is_meant_by_default
from ganforge.api.game import GameComponent
from ganforge.errors import PluginError, argument

FAMILIES: Mapping[str, type[Component]] = MappingProxyType(  # in the order in which people are told of them
    {
        base.family: base
        for base in (
            GameComponent,
            families.Generator,
            families.Discriminator,
            families.Loss,
            families.Regularizer,
            families.Constraint,
            families.Augmentation,
            families.Optimizer,
            families.Dataset,
            families.Features,
            families.Metric,
            families.Monitor,
        )
    }
)


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
class CatalogueEntry:
    """One installed component class and where it comes from."""

    family: str
    kind: str
    cls: type[Component]
    plugin: Plugin


class Catalogue:
    """Installed component classes by family and kind, and the plugins that could not be used."""

    def __init__(self, entries: Iterable[CatalogueEntry], broken: Sequence[Plugin] = ()) -> None:
        self.broken = tuple(broken)
        self._entries: dict[tuple[str, str], CatalogueEntry] = {}
        for entry in entries:
            other = self._entries.setdefault((entry.family, entry.kind), entry)
            if other is not entry:
                raise _collision(f"two {entry.family} are called '{entry.kind}'", other, entry)
        defaults: dict[str, CatalogueEntry] = {}
        for entry in self._entries.values():
            other = defaults.setdefault(entry.family, entry) if is_meant_by_default(entry.cls) else entry
            if other is not entry:
                raise _collision(f"two {entry.family} say that they are meant where no kind is named", other, entry)

    @property
    def entries(self) -> tuple[CatalogueEntry, ...]:
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


def _collision(what: str, one: CatalogueEntry, other: CatalogueEntry) -> PluginError:
    return PluginError(
        f"{what}: one of {one.plugin.origin} ({one.cls.__module__}) and one of {other.plugin.origin} "
        f"({other.cls.__module__}); uninstall one of them, or leave one out with "
        f"{argument('leave_out', other.plugin.name)}"
    )
