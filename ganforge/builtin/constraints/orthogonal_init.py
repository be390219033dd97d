"""Orthogonal initial weights."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized

from ganforge.api import Constraint, RecipeError
from ganforge.builtin.constraints.parts.weight_layers import TRANSPOSED_CONVOLUTIONS, weight_layers


class OrthogonalInit(Constraint):
    """Orthogonal initial weights of convolutions, dense layers and embeddings (Saxe et al. 2014, arXiv:1312.6120).

    A weight, as a matrix [outputs, everything else], begins with orthonormal rows or columns, whichever are fewer,
    times the gain; BigGAN (Brock et al. 2019, arXiv:1809.11096) begins so. Biases and norms are left alone. It comes
    before spectral-norm in the list of constraints, and tensors that a `start` brings replace what it drew.
    """

    kind: Literal["orthogonal-init"] = "orthogonal-init"
    gain: float = Field(default=1.0, gt=0, le=100, description="singular values of each weight")

    def attach(self, network: nn.Module) -> None:
        """Draw the weights anew; a `RecipeError` where there are none, or where they are normalised already."""
        for name, layer in weight_layers(network, self.kind):
            if is_parametrized(layer):
                raise RecipeError(
                    f"constraints: orthogonal-init comes too late for '{name}', whose weight is normalised already; "
                    "put it first in the list of constraints"
                )
            assert isinstance(layer.weight, Tensor)
            self._draw(layer.weight.transpose(0, 1) if isinstance(layer, TRANSPOSED_CONVOLUTIONS) else layer.weight)

    @torch.no_grad()
    def _draw(self, weight: Tensor) -> None:
        matrix = torch.empty_like(weight, memory_format=torch.contiguous_format).flatten(1)
        weight.copy_(nn.init.orthogonal_(matrix, self.gain).reshape(weight.shape))
