"""One player at play: its network, optimizer, average and constraints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ganforge.api.game import PlayerRecipe, Turn
from ganforge.errors import RecipeError
from ganforge.training.ema import Ema


def main_step_fraction(turns: Sequence[Turn], player: str) -> float:
    """Return the share of a player's steps that are not lazy, in (0, 1].

    With lazy turns every k1, k2, ... rounds it is 1 / (1 + 1/k1 + 1/k2 + ...); for one it is k / (k + 1), the factor
    of Karras et al. 2020 (arXiv:1912.04958), appendix B.
    """
    return 1 / (1 + sum(1 / turn.every for turn in turns if turn.lazy and turn.player == player))


class Player:
    """What the runner needs to let one child of the game take a step.

    Args:
        network: that child; constraints have been attached. Weights that require no gradient are frozen for good.
        step_fraction: of its steps that are not lazy, see `main_step_fraction`.
    """

    def __init__(self, name: str, network: nn.Module, recipe: PlayerRecipe, step_fraction: float) -> None:
        self.name, self.network, self.recipe, self.step_fraction = name, network, recipe, step_fraction
        self.parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
        if not self.parameters:
            raise RecipeError(f"game.{name}: all its weights are frozen, so that it cannot learn; freeze less")
        self.optimizer = recipe.optimizer.build(self.parameters, step_fraction)
        self.ema = Ema(network, recipe.ema) if recipe.ema is not None else None

    def step(self, images: int, lr_factor: float = 1.0) -> None:
        """Step down the gradient, `images` having been shown before this round; then apply the constraints.

        `lr_factor` multiplies the learning rate.
        """
        self.recipe.optimizer.adjust(self.optimizer, images, self.step_fraction)
        if lr_factor != 1:
            for group in self.optimizer.param_groups:
                group["lr"] *= lr_factor
        self.optimizer.step()
        for constraint in self.recipe.constraints:
            constraint.project(self.network)

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return the optimizer's and the average's state: tensors by path, and what is no tensor."""
        saved = self.optimizer.state_dict()
        tensors: dict[str, Tensor] = {}
        facts: dict[str, Any] = {}
        for index, entries in saved["state"].items():
            for key, value in entries.items():
                place = tensors if isinstance(value, Tensor) else facts
                place[f"{index}/{key}"] = value
        if self.ema is not None:
            tensors |= {f"ema/{key}": value for key, value in self.ema.average.state_dict().items()}
        return tensors, facts

    def restore(self, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
        """Take on what `state` gave. Strides follow the live parameters, which fused optimizers rely on."""
        average = {key.removeprefix("ema/"): value for key, value in tensors.items() if key.startswith("ema/")}
        if self.ema is not None:
            self.ema.average.load_state_dict(average)
        state: dict[int, dict[str, Any]] = {}
        entries = {**facts, **{key: value for key, value in tensors.items() if not key.startswith("ema/")}}
        for path, value in entries.items():
            index, _, key = path.partition("/")
            like = self.parameters[int(index)]
            if isinstance(value, Tensor):
                target = torch.empty_like(like if value.shape == like.shape else value, dtype=value.dtype)
                value = target.copy_(value)
            state.setdefault(int(index), {})[key] = value
        self.optimizer.load_state_dict({"state": state, "param_groups": self.optimizer.state_dict()["param_groups"]})
