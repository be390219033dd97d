"""Weights that a player begins with: those of another run, or of a file."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

from ganforge.checkpoint import Checkpoint
from ganforge.choice import RECIPE, choose_checkpoint, no_run
from ganforge.errors import CheckpointError, RecipeError
from ganforge.game import StartRecipe

SAID = 6  # tensors that a message names


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


@dataclass(frozen=True)
class Transfer:
    """What a network took over.

    Args:
        taken: names of tensors that it took over.
        fresh: what stays as it was initialised, each with shapes and the reason.
        unused: names of tensors that found no place.
        origin: of the weights, in words.
    """

    taken: tuple[str, ...]
    fresh: tuple[str, ...]
    unused: tuple[str, ...]
    origin: str

    def say(self, most: int | None = SAID) -> str:
        """Return it on one line, naming at most so many tensors (None = all)."""
        count = len(self.taken) + len(self.fresh)
        text = f"{len(self.taken)} of {count} tensors are taken over from {self.origin}"
        if self.fresh:
            text += f"; freshly initialised: {_some(self.fresh, most)}"
        if self.unused:
            text += f"; not used: {_some(self.unused, most)}"
        return text


def _some(names: tuple[str, ...], most: int | None) -> str:
    shown = names[:most]
    return ", ".join(shown) + (f" and {len(names) - len(shown)} more" if len(names) > len(shown) else "")


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
    players = list(content.facts["players"])
    if player not in players:
        near = difflib.get_close_matches(player, players, 1)
        hint = f"; did you mean '{near[0]}'?" if near else ""
        raise RecipeError(f"{run} has no player '{player}'{hint} (it has: {', '.join(players)})")
    average = _below(f"player/{player}/ema/", content) if averaged else {}
    images = int(content.facts["images"])
    what = f"{player} of {run}, {'averaged' if average else 'as trained'}, after {images:,} images"
    notices = tuple(f"passed over: {reason}" for reason in passed_over)
    return Weights(average or _below(f"game/{player}.", content), what, images, bool(average), notices)


def _below(prefix: str, content: Checkpoint) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in content.tensors.items() if name.startswith(prefix)}


def weights_to_begin_with(start: StartRecipe, player: str) -> Weights:
    """Read what a recipe names; see `weights_of_run` and `weights_of_file`."""
    if start.weights is not None:
        return weights_of_file(Path(start.weights))
    assert start.run is not None, "StartRecipe sees to it"
    checkpoint = None if start.checkpoint is None else str(start.checkpoint)
    return weights_of_run(Path(start.run), start.player or player, checkpoint, averaged=start.averaged)


def begin_with(network: nn.Module, start: StartRecipe, player: str) -> tuple[Transfer, tuple[str, ...]]:
    """Let a network begin as a recipe wants it; return what it took over, and what a person should know besides.

    Raises:
        GanforgeError: the weights cannot be read, nothing fits, or something does not and should.
    """
    weights = weights_to_begin_with(start, player)
    transfer = take_over(network, weights)
    if start.missing == "refuse" and transfer.fresh:
        raise RecipeError(
            f'{transfer.say()}; missing = "replace" would begin with random weights there, as they are now'
        )
    return transfer, weights.notices


def weights_of_file(path: Path) -> Weights:
    """Read weights from a safetensors file; a `CheckpointError` where it is none."""
    try:
        return Weights(load_file(path), f"{path}{_label(path)}")
    except (OSError, SafetensorError) as error:
        raise CheckpointError(
            f"{path} cannot be read as safetensors ({error}); `ganforge export RUN --output {path.stem}.safetensors` "
            "writes such files"
        ) from error


def _label(path: Path) -> str:
    with safe_open(path, "pt") as file:
        label = file.metadata() or {}
    return f" ({label['player']} of {label['run']})" if {"player", "run"} <= set(label) else ""


def take_over(network: nn.Module, weights: Weights) -> Transfer:
    """Copy every tensor whose name and shape fit into a network, parameters and buffers alike.

    Raises:
        RecipeError: nothing fits.
    """
    own = network.state_dict()
    taken = [name for name, value in own.items() if name in weights.tensors and _fits(value, weights.tensors[name])]
    if not taken:
        examples = [f"{_some(tuple(_shown(n, t) for n, t in part.items()), 3)}" for part in (own, weights.tensors)]
        raise RecipeError(
            f"none of {weights.origin} fits: {type(network).__name__} has {examples[0]}, and there are "
            f"{examples[1] or 'no tensors'}; choose the network that the weights are of"
        )
    with torch.no_grad():
        for name in taken:
            own[name].copy_(weights.tensors[name])
    fresh = [
        f"{_shown(name, value)} "
        + (f"(there {list(weights.tensors[name].shape)})" if name in weights.tensors else "(not there)")
        for name, value in own.items()
        if name not in taken
    ]
    unused = [_shown(name, value) for name, value in weights.tensors.items() if name not in own]
    return Transfer(tuple(taken), tuple(fresh), tuple(unused), weights.origin)


def _fits(own: Tensor, other: Tensor) -> bool:
    return own.shape == other.shape


def _shown(name: str, value: Tensor) -> str:
    return f"{name} {list(value.shape)}"
