"""Export of weights: a player of a checkpoint as one safetensors file that says what it is."""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import save_file

from ganforge.errors import GanforgeError, RecipeError, argument
from ganforge.recipes.parsing import read_table
from ganforge.storage.layout import RunLayout
from ganforge.storage.weights import PlayerWeights, weights_of_run
from ganforge.tracking import read_run_json


def export_weights(
    run: Path,
    player: str,
    output: Path | None = None,
    *,
    checkpoint: str | None = None,
    live: bool = False,
    force: bool = False,
) -> tuple[Path, PlayerWeights]:
    """Write a player's weights as safetensors, whole or not at all; return the file and what is in it.

    Its metadata say which run, recipe and network the weights are of.

    Args:
        run: its folder.
        player: whose weights.
        output: NAME.safetensors; None = PLAYER.safetensors in the run's folder.
        checkpoint: images shown when it was saved, "best", or its folder; None = the newest one that is whole.
        live: the weights as trained, without their average.
        force: replace what is there.

    Raises:
        GanforgeError: there is no such player or checkpoint, or the file cannot be written.
    """
    weights = weights_of_run(run, player, checkpoint, averaged=not live)
    place = output or run / f"{player}.safetensors"
    if place.suffix != ".safetensors":
        raise RecipeError(f"{argument('output', place)}: expected a name that ends in .safetensors")
    if place.exists() and not force:
        raise GanforgeError(
            f"{place} is there already; replace it with {argument('force')}, or give another name with "
            f"{argument('output')}"
        )
    tensors = {name: tensor.contiguous() for name, tensor in weights.tensors.items()}
    aside = place.with_name(f".{place.name}.tmp")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        save_file(tensors, aside, weights_metadata(weights, run, player))
        aside.replace(place)
    except (OSError, SafetensorError) as error:
        if aside.is_file():
            aside.unlink()
        raise GanforgeError(f"{argument('output', place)} could not be written ({error})") from error
    return place, weights


def weights_metadata(weights: PlayerWeights, run: Path, player: str) -> dict[str, str]:
    """Return what a file of weights says of itself: text by name, as safetensors wants it."""
    game = _table(read_table(RunLayout(run).recipe), "game")
    network = _table(game, player).get("network", {})
    return {
        "format": "pt",
        "ganforge": importlib.metadata.version("ganforge"),
        "run": run.resolve().name,
        "recipe_digest": read_run_json(run).get("recipe_digest", "unknown: not in the run's run.json"),
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
