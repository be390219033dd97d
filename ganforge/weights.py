"""Weights of one player: read from runs and files, and written to files of their own."""

from __future__ import annotations

import difflib
import hashlib
import importlib.metadata
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from ganforge.checkpoint import Checkpoint
from ganforge.choice import RECIPE, choose_checkpoint, no_run
from ganforge.errors import CheckpointError, GanforgeError, RecipeError
from ganforge.recipe_file import read_table


@dataclass(frozen=True)
class Weights:
    """The weights of one player, and where they are from.

    Args:
        tensors: by their names in the player's network.
        origin: in words.
        images: shown when they were saved; None where that is not known.
        averaged: they are the average.
        notices: what a person should know, such as checkpoints that were passed over.
    """

    tensors: Mapping[str, Tensor]
    origin: str
    images: int | None = None
    averaged: bool = False
    notices: tuple[str, ...] = ()


def weights_of_run(run: Path, player: str, checkpoint: str | None = None, *, averaged: bool = True) -> Weights:
    """Read a player's weights from a run; neither its data nor its plugins are needed.

    Args:
        run: its folder.
        player: whose weights.
        checkpoint: images shown when it was saved, "best", or its folder; None = the newest one that is whole.
        averaged: the average, where there is one.

    Raises:
        GanforgeError: the folder is of no run, the checkpoint is missing or damaged, or the run has no such player.
    """
    if not (run / RECIPE).is_file():
        raise RecipeError(no_run(run))
    content, _, passed_over = choose_checkpoint(run, checkpoint)
    try:
        players, images = [str(name) for name in content.facts["players"]], int(content.facts["images"])
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise CheckpointError(f"the checkpoint of {run} does not say what it is of ({type(error).__name__})") from error
    if player not in players:
        near = difflib.get_close_matches(player, players, 1)
        hint = f"; did you mean '{near[0]}'?" if near else ""
        raise RecipeError(f"{run} has no player '{player}'{hint} (it has: {', '.join(players)})")
    average = _below(f"player/{player}/ema/", content) if averaged else {}
    what = f"{player} of {run}, {'averaged' if average else 'as trained'}, after {images:,} images"
    notices = tuple(f"passed over: {reason}" for reason in passed_over)
    return Weights(average or _below(f"game/{player}.", content), what, images, bool(average), notices)


def _below(prefix: str, content: Checkpoint) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in content.tensors.items() if name.startswith(prefix)}


def weights_of_file(path: Path) -> Weights:
    """Read weights from a safetensors file; a `CheckpointError` where it is none."""
    try:
        if path.exists() and not path.is_file():  # a pipe would be waited for
            raise OSError("it is not a regular file")
        return Weights(load_file(path), f"{path}{_label(path)}")
    except (OSError, ValueError, SafetensorError) as error:
        raise CheckpointError(
            f"{path} cannot be read as safetensors ({error}); `ganforge export RUN --output {path.stem}.safetensors` "
            "writes such files"
        ) from error


def _label(path: Path) -> str:
    with safe_open(path, "pt") as file:
        label = file.metadata() or {}
    return f" ({label['player']} of {label['run']})" if {"player", "run"} <= set(label) else ""


def describe(weights: Weights, run: Path, player: str) -> dict[str, str]:
    """Return what a file of weights says of itself: text by name, as safetensors wants it."""
    game = _table(read_table(run / RECIPE), "game")
    network = _table(game, player).get("network", {})
    return {
        "format": "pt",
        "ganforge": importlib.metadata.version("ganforge"),
        "run": run.resolve().name,
        "recipe_sha256": hashlib.sha256((run / RECIPE).read_bytes()).hexdigest(),
        "game": str(game.get("kind", "")),
        "player": player,
        "network": json.dumps(network, default=str),
        "kind": str(network.get("kind", "") if isinstance(network, dict) else network),
        "images": str(weights.images),
        "averaged": str(weights.averaged).lower(),
    }


def _table(table: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = table.get(name)
    return found if isinstance(found, dict) else {}


def write_weights(weights: Weights, place: Path, label: Mapping[str, str], *, force: bool = False) -> None:
    """Write weights as safetensors, whole or not at all.

    Args:
        weights: to write.
        place: of the file; its name ends in .safetensors.
        label: what the file says of itself.
        force: replace what is there.

    Raises:
        GanforgeError: the file is there already, has another suffix, or cannot be written.
    """
    if place.suffix != ".safetensors":
        raise RecipeError(f"--output {place}: expected a name that ends in .safetensors")
    if place.exists() and not force:
        raise GanforgeError(f"{place} is there already; replace it with --force, or give another name with --output")
    aside = place.with_name(f".{place.name}.tmp")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        save_file({name: tensor.contiguous() for name, tensor in weights.tensors.items()}, aside, dict(label))
        aside.replace(place)
    except (OSError, SafetensorError) as error:
        if aside.is_file():
            aside.unlink()
        raise GanforgeError(f"--output {place} could not be written ({error})") from error
