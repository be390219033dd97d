"""Weights that a player begins with: those of another run, or of a file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from ganforge.api.game import StartRecipe
from ganforge.errors import RecipeError
from ganforge.storage.weights import PlayerWeights, weights_of_file, weights_of_run

SAID = 6  # tensors that a message names


@dataclass(frozen=True)
class Transfer:
    """What a network took over.

    Args:
        taken: names of tensors that it took over.
        fresh: what stays as it was initialised, each with shapes and the reason.
        unused: names of tensors that found no place.
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


def load_start_weights(network: nn.Module, start: StartRecipe, player: str) -> tuple[Transfer, tuple[str, ...]]:
    """Let a network begin as a recipe wants it; return what it took over, and what a person should know besides.

    Raises:
        GanforgeError: the weights cannot be read, nothing fits, or something does not and should.
    """
    if start.weights is not None:
        weights = weights_of_file(Path(start.weights))
    else:
        assert start.run is not None, "StartRecipe sees to it"
        checkpoint = None if start.checkpoint is None else str(start.checkpoint)
        weights = weights_of_run(Path(start.run), start.player or player, checkpoint, averaged=start.averaged)
    transfer = transfer_weights(network, weights)
    if start.missing == "refuse" and transfer.fresh:
        raise RecipeError(
            f'{transfer.say()}; missing = "replace" would begin with random weights there, as they are now'
        )
    return transfer, weights.notices


def transfer_weights(network: nn.Module, weights: PlayerWeights) -> Transfer:
    """Copy every tensor whose name and shape fit into a network, parameters and buffers alike.

    Raises:
        RecipeError: nothing fits.
    """
    own = network.state_dict()
    there = weights.tensors
    taken = [name for name, value in own.items() if name in there and value.shape == there[name].shape]
    if not taken:
        examples = [_some(tuple(_shown(n, t) for n, t in part.items()), 3) for part in (own, there)]
        raise RecipeError(
            f"none of {weights.origin} fits: {type(network).__name__} has {examples[0]}, and there are "
            f"{examples[1] or 'no tensors'}; choose the network that the weights are of"
        )
    with torch.no_grad():
        for name in taken:
            own[name].copy_(there[name])
    fresh = [
        f"{_shown(name, value)} ({f'there {list(there[name].shape)}' if name in there else 'not there'})"
        for name, value in own.items()
        if name not in taken
    ]
    unused = [_shown(name, value) for name, value in there.items() if name not in own]
    return Transfer(tuple(taken), tuple(fresh), tuple(unused), weights.origin)


def _shown(name: str, value: Tensor) -> str:
    return f"{name} {list(value.shape)}"
