"""Whose code an unexpected error came from: the plugin, its component and the method, read from the traceback."""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Mapping
from types import FrameType, MappingProxyType

import torch

from ganforge import api
from ganforge.errors import BrokenPluginError, argument
from ganforge.plugins.catalogue import Catalogue, CatalogueEntry, Plugin
from ganforge.plugins.loading import CORE

PRODUCTS: Mapping[type, str] = MappingProxyType(  # what components make, and of which family these are
    {
        api.Game: "games",
        api.GeneratorNetwork: "generators",
        api.DiscriminatorNetwork: "discriminators",
        api.AugmentationNetwork: "augmentations",
        api.FeatureNetwork: "features",
        torch.optim.Optimizer: "optimizers",
        api.Source: "datasets",
        api.View: "metrics",
        api.Watcher: "monitors",
    }
)


def blame(error: BaseException, catalogue: Catalogue) -> BrokenPluginError | None:
    """Return an error that names the plugin, the component and the method in whose code another one was raised.

    Its text is one sentence, then those lines of the traceback that are the plugin's own, which its author wants.

    Args:
        error: as it was caught.
        catalogue: the installed plugins.

    Returns:
        None where no third-party plugin was at work.
    """
    owners = {
        entry.cls.__module__.partition(".")[0]: entry.plugin
        for entry in catalogue.entries
        if entry.plugin.distribution != CORE
    }
    frames = [(frame, line, owners.get(_package(frame))) for frame, line in traceback.walk_tb(error.__traceback__)]
    plugin = next((owner for _, _, owner in reversed(frames) if owner is not None), None)
    if plugin is None:
        return None
    own = [(frame, line) for frame, line, owner in frames if owner == plugin]
    said = " ".join(str(error).split())
    component, method = _component([frame for frame, _ in reversed(own)], catalogue, plugin)
    lines = "".join(traceback.StackSummary.extract(iter(own)).format()).rstrip()
    return BrokenPluginError(
        f"plugin {plugin.origin} broke: {component} raised {type(error).__name__} in {method}"
        f"{f': {said}' if said else ''}\n{lines}\nnobody but its author can mend that; to go on without the plugin, "
        f"choose other components and add {argument('leave_out', plugin.name)}"
    )


def _package(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0]


def _component(frames: list[FrameType], catalogue: Catalogue, plugin: Plugin) -> tuple[str, str]:
    """Return the component at work, and the method that it was asked for; `frames` from the innermost on."""
    for frame in frames:
        found = [f"{entry.cls.noun} '{entry.kind}'" for entry in _entries(frame, catalogue, plugin)]
        if found:
            return f"its {' or '.join(found)}", frame.f_code.co_qualname
    asked = frames[-1]  # a function that belongs to no component, such as the backward of a `torch.autograd.Function`
    return "it", f"{asked.f_globals.get('__name__')}.{asked.f_code.co_qualname}"


def _entries(frame: FrameType, catalogue: Catalogue, plugin: Plugin) -> Iterator[CatalogueEntry]:
    """Yield the plugin's components that the frame's object is, or was made by."""
    ours = [entry for entry in catalogue.entries if entry.plugin == plugin]
    actor = frame.f_locals.get("self", frame.f_locals.get("cls"))
    kind = actor if isinstance(actor, type) else type(actor)
    if issubclass(kind, api.Component):
        yield from [entry for entry in ours if entry.cls is kind] or [e for e in ours if issubclass(e.cls, kind)]
        return
    family = next((family for base, family in PRODUCTS.items() if issubclass(kind, base)), None)
    of_family = [entry for entry in ours if entry.family == family]
    yield from [entry for entry in of_family if entry.cls.__module__ == kind.__module__] or of_family
