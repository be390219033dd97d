"""Spectral normalisation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import normalize
from torch.nn.utils.parametrize import ParametrizationList, register_parametrization

from ganforge.api import Constraint, RecipeError, RemedyFor
from ganforge.builtin.constraints.parts.weight_layers import TRANSPOSED_CONVOLUTIONS, WEIGHT_LAYERS, weight_layers
from ganforge.builtin.networks.layers.conditional_norm import SharedEmbedding

_FIRST_ITERATIONS = 15  # from a random start, when the network is built


class SpectralNorm(Constraint):
    """Spectral normalisation of every convolution, dense layer and embedding (Miyato et al. 2018, arXiv:1802.05957).

    A weight is divided by its largest singular value (eq. 8), estimated by power iteration that goes on from step to
    step (algorithm 1). The iteration is done once per step of the player and not in every forward, so that all forwards
    between two steps see one network, however many micro-batches there are.
    """

    kind: Literal["spectral-norm"] = "spectral-norm"
    remedy_for: ClassVar[RemedyFor] = {"unbounded-critic": {}}
    iterations: int = Field(default=1, ge=1, le=100, description="power iterations after each step")

    def attach(self, network: nn.Module) -> None:
        """Normalise the weights from now on.

        Raises:
            RecipeError: there is none, one is all zeros, or a layer is not of torch.nn, such as those that scale their
                weights themselves (equalised learning rate): normalising some layers and not others bounds nothing.
        """
        for name, layer in network.named_modules():
            if _is_foreign(layer):
                raise RecipeError(
                    f"constraints: spectral-norm knows layers of torch.nn, and '{name}' of {type(network).__name__} "
                    f"is a layer of its own kind ({type(layer).__name__}); leave it out, or choose another network"
                )
        for name, layer in weight_layers(network, self.kind):
            assert isinstance(layer.weight, Tensor)
            if not layer.weight.any():
                raise RecipeError(
                    f"constraints: spectral-norm divides weights by their norm, and '{name}.weight' of "
                    f"{type(network).__name__} is all zeros; leave it out, or choose another network"
                )
            register_parametrization(
                layer, "weight", _SpectralNormalisation(layer.weight, isinstance(layer, TRANSPOSED_CONVOLUTIONS))
            )

    def project(self, network: nn.Module) -> None:
        """Follow the weights with the estimate of their largest singular values."""
        for norm, weight in _normalisations(network):
            norm.iterate(weight, self.iterations)


def _is_foreign(layer: nn.Module) -> bool:
    """Whether a layer has a matrix or kernels of its own, and is no embedding, which may stay as it is."""
    if isinstance(layer, WEIGHT_LAYERS | nn.EmbeddingBag | SharedEmbedding | ParametrizationList):
        return False
    return any(name == "weight" and weight.dim() > 1 for name, weight in layer.named_parameters(recurse=False))


def _normalisations(network: nn.Module) -> Iterator[tuple[_SpectralNormalisation, Tensor]]:
    for module in network.modules():
        if isinstance(module, ParametrizationList) and isinstance(module[0], _SpectralNormalisation):
            assert isinstance(module.original, Tensor)
            yield module[0], module.original


class _SpectralNormalisation(nn.Module):
    """Weight -> weight / (left . weight right), with the singular vectors [M], [N] as buffers."""

    left: Tensor
    right: Tensor

    def __init__(self, weight: Tensor, transposed: bool) -> None:
        super().__init__()
        self.transposed = transposed
        matrix = self.matrix(weight.detach())
        self.register_buffer("left", normalize(torch.randn_like(matrix[:, 0]), dim=0))
        self.register_buffer("right", torch.zeros_like(matrix[0]))
        self.iterate(weight, _FIRST_ITERATIONS)

    def matrix(self, weight: Tensor) -> Tensor:
        """Return the weight as [outputs, everything else]."""
        return (weight.transpose(0, 1) if self.transposed else weight).flatten(1)

    @torch.no_grad()
    def iterate(self, weight: Tensor, times: int) -> None:
        """Take some steps of the power iteration."""
        matrix = self.matrix(weight)
        for _ in range(times):
            self.right.copy_(normalize(matrix.mT @ self.left, dim=0))
            self.left.copy_(normalize(matrix @ self.right, dim=0))

    def forward(self, weight: Tensor) -> Tensor:
        with torch.autocast(weight.device.type, enabled=False):
            return weight / torch.vdot(self.left, self.matrix(weight) @ self.right)
