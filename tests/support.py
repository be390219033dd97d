"""What many tests need: toy data, and a quick way from component classes to a runner."""

from __future__ import annotations

import io
import json
import tomllib
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

import annotated_types
import numpy as np
import torch
from accelerate import Accelerator
from PIL import Image
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from torch import Tensor

from ganforge.building import build_runner
from ganforge.catalogue import Catalogue
from ganforge.component import Component
from ganforge.data import Batch, DataSpec, Source, place
from ganforge.game import PlayerRecipe
from ganforge.plugins import load_catalogue
from ganforge.recipe import Recipe
from ganforge.runner import Runner
from ganforge.slots import Slot

_CATALOGUE: list[Catalogue] = []


def catalogue() -> Catalogue:
    """The installed components, read once for all tests of a process."""
    if not _CATALOGUE:
        _CATALOGUE.append(load_catalogue(only=[]))
    return _CATALOGUE[0]


class ToySource(Source):
    """Images of noise, the same for the same shape."""

    def __init__(self, spec: DataSpec, length: int = 100) -> None:
        self.spec, self.length, self.fingerprint = spec, length, f"toy-{spec}"
        numbers = np.random.Generator(np.random.PCG64(7))
        self.samples = numbers.integers(0, 256, (length, *spec.shape), dtype=np.uint8)

    def __len__(self) -> int:
        return self.length

    def batch(self, indices: np.ndarray) -> Batch:
        batch = {"image": torch.from_numpy(self.samples[indices])}
        if len(self.spec.shape) == 1:
            batch["image"] = batch["image"].float() / 64 - 2
        if self.spec.classes:
            batch["label"] = torch.from_numpy(indices % self.spec.classes)
        return batch

    def show(self, samples: Tensor) -> Image.Image:
        return Image.new("L", (8, 8))


def gan_table(**changes: Any) -> dict[str, Any]:
    """A small gan as a recipe's table; `changes` replace entries by their path, with __ for dots."""
    table: dict[str, Any] = {
        "kind": "gan",
        "loss": {"kind": "non-saturating"},
        "generator": {
            "network": {"kind": "mlp", "latent": 8, "width": 32},
            "optimizer": {"lr": 2e-3},
            "ema": {"half_life_images": 500},
        },
        "discriminator": {"network": {"kind": "mlp", "width": 32}, "optimizer": {"lr": 2e-3}},
    }
    return changed(table, changes)


def changed(table: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of a table with entries replaced by their path, with __ for dots."""
    result: dict[str, Any] = {
        key: changed(value, {}) if isinstance(value, Mapping) else value for key, value in table.items()
    }
    for path, value in changes.items():
        *parents, last = path.split("__")
        place_ = result
        for parent in parents:
            place_ = place_.setdefault(parent, {})
        place_[last] = value
    return result


def recipe_of(game: Mapping[str, Any] | None = None, **changes: Any) -> Recipe:
    """A recipe about the given game; `changes` as for `gan_table`, on the whole recipe."""
    table = {
        "seed": 3,
        "data": {"kind": "digits"},
        "run": {"images": 256, "batch": 16, "log_every_images": 64},
        "game": game or gan_table(),
        "tracking": {"kind": "none"},
    }
    return Recipe.model_validate(changed(table, changes), context={"catalogue": catalogue()})


def runner_of(game: Mapping[str, Any], spec: DataSpec, batch: int = 16, microbatches: int = 1, seed: int = 3) -> Runner:
    """A runner for the given game on one process on the CPU."""
    recipe = recipe_of(game, seed=seed, run__batch=batch, run__microbatches=microbatches)
    return build_runner(recipe, spec, Accelerator(cpu=True))


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


RECIPES = sorted((Path(__file__).parents[1] / "recipes").rglob("*.toml"))


def narrowed(path: Path, folder: Path) -> list[str]:
    """Overrides that let a laptop play a recipe: narrow networks where they are wide, and data that are there.

    Images that a recipe reads from outside are replaced by a few of noise, equally large and of two classes, in a ZIP.
    """
    table = tomllib.loads(path.read_text())
    overrides = []
    for side in ("generator", "discriminator"):
        network = table["game"].get(side, {}).get("network", {})
        if isinstance(network, dict) and network.get("channel_max", 0) > 64:
            resolution = table["data"].get("resolution", 64)
            narrow = 4 if resolution <= 64 or network["kind"] == "styleswin" else 2 if resolution <= 512 else 1
            overrides.append(f"game.{side}.network.channel_max={narrow}")
        if isinstance(network, dict) and network.get("width", 0) >= 64:
            overrides.append(f"game.{side}.network.width=4")
    if table["data"]["kind"] == "images":
        pictures, numbers = folder / "noise.zip", np.random.Generator(np.random.PCG64(1))
        with zipfile.ZipFile(pictures, "w") as archive:
            for index in range(8):
                file = io.BytesIO()
                size = table["data"].get("resolution", 64)
                Image.fromarray(numbers.integers(0, 256, (size, size, 3), dtype=np.uint8)).save(file, "PNG")
                archive.writestr(f"{'ab'[index % 2]}/{index}.png", file.getvalue())
        if "labelled" in table["data"]:
            overrides.append("data.labelled=4")
        overrides.append(f"data.path={json.dumps(str(pictures))}")
    return overrides


def game_example(kind: str, network: str = "mlp", augmentation: str | None = None) -> dict[str, Any]:
    """A small table for any installed game; one that is particular about networks has the first of its own instead."""
    network = network if network in NETWORKS.get(kind, (network,)) else NETWORKS[kind][0]
    return example(catalogue().family("games")[kind], network, augmentation)


def batches(runner: Runner, source: Source, count: int) -> list[Batch]:
    """The next `count` batches of this process as a session would give them."""
    rows = [np.arange(i * runner.batch, (i + 1) * runner.batch) % len(source) for i in range(count)]
    return [place(source.batch(row), runner.accelerator.device) for row in rows]


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
