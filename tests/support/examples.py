"""A small table of a recipe for every installed component."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

import annotated_types
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from ganforge.api.component import Component
from ganforge.api.game import PlayerRecipe
from ganforge.api.slots import Slot
from support.installed import catalogue

SMALL = {  # fields of components, and what they are in tests where their bounds allow it
    "latent": 8,
    "width": 8,
    "depth": 2,
    "style": 8,
    "mapping_layers": 2,
    "channel_base": 64,
    "channel_max": 8,
    "lr": 2e-3,
    "target": -0.9,  # of adaptive augmentation: it is on after a round, and becomes stronger
    "interval": 1,
    "speed_images": 200,
    "name": "torch.optim.RAdam",
    "layers": 4,
    "margin": 2,
    "group": 4,
    "kernels": 6,
    "dimensions": 3,
    "slots": 8,
    "fresh": 4,
    "fade": 16,
    "stable": 16,
    "shared": 8,
    "standing_batches": 2,
}


OPPONENTS = {"stylegan3": "stylegan2"}  # kinds of generators without a discriminator, and whose they play against


NETWORKS = {"progressive": ("progan", "stylegan")}  # games that are particular, and two networks that they play with


def network_kinds() -> list[str]:
    """The kinds of which there is both a generator and a discriminator, and generators that play against others."""
    both = set(catalogue().family("generators")) & set(catalogue().family("discriminators"))
    return sorted(both | OPPONENTS.keys())


def example(cls: type[BaseModel], network: str = "mlp", augmentation: str | None = None) -> dict[str, Any]:
    """A small table for any component: required fields filled in, `SMALL` where it fits, players with all there is.

    Players get an average; discriminators R1 every 2 rounds, generators of a style space path length every 3.
    """
    table: dict[str, Any] = {"kind": cls.kind_name()} if issubclass(cls, Component) else {}
    for name, field in cls.model_fields.items():
        slot = next((entry for entry in field.metadata if isinstance(entry, Slot)), None)
        if name in SMALL and not _out_of_bounds(field, SMALL[name]):
            table[name] = SMALL[name]
        elif name == "ema" and issubclass(cls, PlayerRecipe):
            table[name] = {"half_life_images": 200}
        elif name == "augmentations" and augmentation is not None:
            table[name] = [example(catalogue().family("augmentations")[augmentation])]
        elif name == "regularizers" and issubclass(cls, PlayerRecipe):
            table[name] = list(_regularizers(field, network))
        elif not field.is_required():
            continue
        elif slot is not None:
            table[name] = example(_of_family(slot, network), network, augmentation)
        elif isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            table[name] = example(field.annotation, network, augmentation)
        elif field.annotation in (int, float):
            table[name] = next(value for value in (1, 2, 4, 0.5, 0.1, 8, 64) if not _out_of_bounds(field, value))
        else:
            raise NotImplementedError(f"support.example does not know what {cls.__name__}.{name} may be")
    return table


def _of_family(slot: Slot, network: str) -> type[Component]:
    known = catalogue().family(slot.family)
    kinds = (network, OPPONENTS.get(network), "non-saturating", "adam", *sorted(known))
    return known[next(kind for kind in kinds if kind in known)]


def _regularizers(field: FieldInfo, network: str) -> Iterator[dict[str, Any]]:
    players = [entry.player for part in get_args(field.annotation) for entry in get_args(part)[1:] if part is not ...]
    if "discriminator" in players:
        yield {"kind": "r1", "gamma": 0.5, "every": 2}
    if "generator" in players and network.startswith("style"):
        yield {"kind": "path-length", "every": 3}


def _out_of_bounds(field: FieldInfo, value: float) -> bool:
    for limit in field.metadata:
        match limit:
            case annotated_types.Ge() if value < limit.ge:
                return True
            case annotated_types.Gt() if value <= limit.gt:
                return True
            case annotated_types.Le() if value > limit.le:
                return True
            case annotated_types.Lt() if value >= limit.lt:
                return True
    return False


def game_example(kind: str, network: str = "mlp", augmentation: str | None = None) -> dict[str, Any]:
    """A small table for any installed game; one that is particular about networks has the first of its own instead."""
    network = network if network in NETWORKS.get(kind, (network,)) else NETWORKS[kind][0]
    return example(catalogue().family("games")[kind], network, augmentation)


def game_cases() -> list[tuple[str, str, str | None]]:
    """What the contracts of games are tried with: (game, network, augmentation).

    The plain game with every pair of networks, and with every augmentation; every other game with two networks, one of
    them with batch statistics where the game takes such.
    """
    networks, others = network_kinds(), sorted(set(catalogue().family("games")) - {"gan"})
    cases: list[tuple[str, str, str | None]] = [("gan", network, None) for network in networks]
    cases += [("gan", "mlp", augmentation) for augmentation in sorted(catalogue().family("augmentations"))]
    cases += [("gan", "stylegan2", "ada")]
    return cases + [(game, network, None) for game in others for network in NETWORKS.get(game, ("mlp", "dcgan"))]
