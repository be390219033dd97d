"""Weights of one player, read from runs and from files of their own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor

from ganforge.errors import CheckpointError, RecipeError, did_you_mean
from ganforge.storage.checkpoint import Checkpoint
from ganforge.storage.layout import RunLayout
from ganforge.storage.lookup import choose_checkpoint, explain_no_run


@dataclass(frozen=True)
class PlayerWeights:
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


def weights_of_run(run: Path, player: str, checkpoint: str | None = None, *, averaged: bool = True) -> PlayerWeights:
    """Read a player's weights from a run; neither its data nor its plugins are needed.

    Args:
        run: its folder.
        player: whose weights.
        checkpoint: images shown when it was saved, "best", or its folder; None = the newest one that is whole.
        averaged: the average, where there is one.

    Raises:
        GanforgeError: the folder is of no run, the checkpoint is missing or damaged, or the run has no such player.
    """
    if not RunLayout(run).recipe.is_file():
        raise RecipeError(explain_no_run(run))
    content, _, passed_over = choose_checkpoint(run, checkpoint)
    try:
        players, images = [str(name) for name in content.facts["players"]], int(content.facts["images"])
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise CheckpointError(f"the checkpoint of {run} does not say what it is of ({type(error).__name__})") from error
    if player not in players:
        hint = did_you_mean(player, players)
        raise RecipeError(f"{run} has no player '{player}'{hint} (it has: {', '.join(players)})")
    average = _tensors_below(f"player/{player}/ema/", content) if averaged else {}
    what = f"{player} of {run}, {'averaged' if average else 'as trained'}, after {images:,} images"
    notices = tuple(f"passed over: {reason}" for reason in passed_over)
    return PlayerWeights(average or _tensors_below(f"game/{player}.", content), what, images, bool(average), notices)


def _tensors_below(prefix: str, content: Checkpoint) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in content.tensors.items() if name.startswith(prefix)}


def weights_of_file(path: Path) -> PlayerWeights:
    """Read weights from a safetensors file; a `CheckpointError` where it is none."""
    try:
        if path.exists() and not path.is_file():  # a pipe would be waited for
            raise OSError("it is not a regular file")
        return PlayerWeights(load_file(path), f"{path}{_origin_label(path)}")
    except (OSError, ValueError, SafetensorError) as error:
        raise CheckpointError(
            f"{path} cannot be read as safetensors ({error}); `ganforge export RUN` writes such files"
        ) from error


def _origin_label(path: Path) -> str:
    with safe_open(path, "pt") as file:
        label = file.metadata() or {}
    return f" ({label['player']} of {label['run']})" if {"player", "run"} <= set(label) else ""
