"""Frozen layers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal

from pydantic import Field, PositiveInt, model_validator
from torch import nn

from ganforge.api import Constraint, RecipeError, did_you_mean


class Freeze(Constraint):
    """Freeze-D (Mo et al. 2020, arXiv:2002.10964): layers on the input's side stay as they began, when fine-tuning.

    The player's `start` says what they begin with. `layers` counts modules that hold weights of their own, norms among
    them, in the order in which the network holds them, what the network itself holds at the end. In our discriminators
    that is from the input to the output, but for those that grow (progan, stylegan), which hold the input layers of all
    resolutions first: name theirs. `names` are those of modules or weights, with all below them. Gradients flow through
    frozen layers, their statistics (of BatchNorm) go on, and the average holds them as they are.
    """

    kind: Literal["freeze"] = "freeze"
    layers: PositiveInt | None = Field(default=None, description="so many layers, from the input's side")
    names: tuple[str, ...] = Field(
        default=(), description='names in the network, such as ["layers.0", "layers.1.bias"]'
    )

    @model_validator(mode="after")
    def _check(self) -> Freeze:
        if self.layers is None and not self.names:
            raise ValueError("expected layers, a number, or names: otherwise nothing is frozen")
        return self

    def attach(self, network: nn.Module) -> None:
        """Freeze; a `RecipeError` where there are fewer layers, or none of a name."""
        paths = [path for path, _ in network.named_parameters()]
        layers = list(dict.fromkeys(_layer_of(path) for path in sorted(paths, key=lambda path: "." not in path)))
        if self.layers is not None and self.layers > len(layers):
            raise RecipeError(
                f"constraints: freeze.layers = {self.layers}, and {type(network).__name__} has {len(layers)} layers "
                f"with weights: {', '.join(layers)}; freeze fewer"
            )
        for name in (*layers[: self.layers or 0], *self.names):
            found = [parameter for path, parameter in network.named_parameters() if _is_below(path, name)]
            if not found:
                known = list(dict.fromkeys(_ancestors(paths)))
                raise RecipeError(
                    f"constraints: freeze.names has '{name}', and {type(network).__name__} has no weights of that name"
                    f"{did_you_mean(name, known)} (its layers: {', '.join(layers)})"
                )
            for parameter in found:
                parameter.requires_grad_(False)


def _layer_of(path: str) -> str:
    """Return the module that holds a weight, parametrised or not; the weight itself where the network does."""
    return path.partition(".parametrizations.")[0] if ".parametrizations." in path else path.rpartition(".")[0] or path


def _unparametrised(path: str) -> str:
    """Return "layer.weight" for "layer.parametrizations.weight.original"."""
    layer, _, rest = path.partition(".parametrizations.")
    return f"{layer}.{rest.removesuffix('.original')}" if rest else path


def _is_below(path: str, name: str) -> bool:
    return _unparametrised(path) == name or _unparametrised(path).startswith(f"{name}.")


def _ancestors(paths: Iterable[str]) -> Iterator[str]:
    for path in paths:
        parts = _unparametrised(path).split(".")
        yield from (".".join(parts[:length]) for length in range(1, len(parts) + 1))
