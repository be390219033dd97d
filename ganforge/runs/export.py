"""Export of weights: a player of a checkpoint as one safetensors file that says what it is."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import save_file

from ganforge.errors import GanforgeError, RecipeError, argument
from ganforge.recipes.parsing import read_table
from ganforge.storage.lookup import RECIPE
from ganforge.storage.weights import PlayerWeights


def weights_metadata(weights: PlayerWeights, run: Path, player: str) -> dict[str, str]:
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


def write_weights(weights: PlayerWeights, place: Path, label: Mapping[str, str], *, force: bool = False) -> None:
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
        raise RecipeError(f"{argument('output', place)}: expected a name that ends in .safetensors")
    if place.exists() and not force:
        raise GanforgeError(
            f"{place} is there already; replace it with {argument('force')}, or give another name with "
            f"{argument('output')}"
        )
    aside = place.with_name(f".{place.name}.tmp")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        save_file({name: tensor.contiguous() for name, tensor in weights.tensors.items()}, aside, dict(label))
        aside.replace(place)
    except (OSError, SafetensorError) as error:
        if aside.is_file():
            aside.unlink()
        raise GanforgeError(f"{argument('output', place)} could not be written ({error})") from error
