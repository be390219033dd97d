"""Any optimizer of torch.optim or of a trusted package, by its name."""

from __future__ import annotations

import copy
import inspect
import re
from collections.abc import Iterable, Mapping
from typing import Any, Literal

import torch
from pydantic import Field, ValidationInfo, field_validator
from torch import nn

from ganforge.api import Optimizer, RecipeError, did_you_mean
from ganforge.builtin.optimizers.parts.trusted_optimizers import optimizer_class

_RESERVED = ("params", "lr")  # what is no option
_VAR_KEYWORD = inspect.Parameter.VAR_KEYWORD


class TorchOptimizer(Optimizer):
    """Any optimizer of torch.optim, or of a package that you trust, by its name (Paszke et al. 2019, arXiv:1912.01703).

    Trusted are installed plugins, and the packages in the environment variable `GANFORGE_OPTIMIZERS`. Its options are
    those of its constructor; an integer is taken for a number where a number is meant. It is tried out when the recipe
    is read. Lazy steps and schedules change its learning rate and nothing else, since which of its options are decay
    rates is not known; a kind of its own (adam, rmsprop, ...) knows.
    """

    kind: Literal["torch"] = "torch"
    name: str = Field(description='dotted name of the class, such as "torch.optim.RAdam"')
    options: dict[str, Any] = Field(default={}, description="further arguments of its constructor, without lr")

    @field_validator("name")
    @classmethod
    def _check_name(cls, name: str) -> str:
        optimizer_class(name)
        return name

    @field_validator("options")
    @classmethod
    def _check_options(cls, options: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        if "name" in info.data:  # otherwise the name is wrong, which is said elsewhere
            try_out(info.data["name"], options)
        return options

    def build(self, parameters: Iterable[nn.Parameter], step_fraction: float) -> torch.optim.Optimizer:
        """Make it; a `RecipeError` where it does not take these weights."""
        try:
            return make_optimizer(self.name, self.options, parameters, self.lr_at(0) * step_fraction)
        except (TypeError, ValueError) as error:
            raise RecipeError(f"{self.name} does not take these weights ({error}); choose another optimizer") from error


def make_optimizer(
    name: str, options: Mapping[str, Any], parameters: Iterable[nn.Parameter], lr: float
) -> torch.optim.Optimizer:
    """Make an optimizer, its options as its constructor means them."""
    cls: Any = optimizer_class(name)
    arguments = inspect.signature(cls).parameters
    given = {key: _coerced(value, arguments.get(key)) for key, value in options.items()}
    made: torch.optim.Optimizer = cls(parameters, lr=lr, **given)
    return made


def _coerced(value: Any, argument: inspect.Parameter | None) -> Any:
    """Return a tuple for an array, and a number for an integer in it or where the argument is a number."""
    if isinstance(value, list):
        return tuple(float(entry) if type(entry) is int else entry for entry in value)
    if type(value) is not int or argument is None:
        return value
    words = re.findall(
        r"\w+", argument.annotation if isinstance(argument.annotation, str) else str(argument.annotation)
    )
    a_number = isinstance(argument.default, float) or ("float" in words and "int" not in words)
    return float(value) if a_number else value


def try_out(name: str, options: Mapping[str, Any]) -> None:
    """Make an optimizer and let it take two steps; a `ValueError` in words where it cannot be used."""
    arguments = inspect.signature(optimizer_class(name)).parameters
    free = any(argument.kind is _VAR_KEYWORD for argument in arguments.values())
    known = [key for key in arguments if key not in _RESERVED and arguments[key].kind is not _VAR_KEYWORD]
    if "lr" not in arguments and not free:
        raise ValueError(f"{name} takes no lr, so that it cannot be scheduled; choose another optimizer")
    for key in options:
        if key in _RESERVED:
            raise ValueError(f"'{key}' is no option: lr stands beside the options, and the weights are the player's")
        if key not in known and not free:
            raise ValueError(f"{name} has no option '{key}'{did_you_mean(key, known)} (it has: {', '.join(known)})")
    weight = nn.Parameter(torch.ones(2, 2))
    try:
        optimizer = make_optimizer(name, options, [weight], 1e-3)
        groups = _settings(optimizer)
        for _ in range(2):
            weight.grad = torch.ones_like(weight)
            optimizer.step()
    except Exception as error:
        text = " ".join(str(error).split())
        raise ValueError(f"{name} cannot be used with these options ({type(error).__name__}: {text})") from error
    held = [value for state in optimizer.state.values() for value in state.values()]
    if _settings(optimizer) != groups or not all(isinstance(v, torch.Tensor | bool | int | float | None) for v in held):
        raise ValueError(f"{name} keeps state that checkpoints do not hold, so that no run could be resumed exactly")


def _settings(optimizer: torch.optim.Optimizer) -> list[dict[str, Any]]:
    return copy.deepcopy([{k: v for k, v in group.items() if k != "params"} for group in optimizer.param_groups])
