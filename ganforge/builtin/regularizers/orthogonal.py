"""Orthogonal regularization."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from ganforge.api import Duel, PositiveNumber, RecipeError, Regularizer, Role, value_at
from ganforge.builtin.constraints.parts.weight_layers import TRANSPOSED_CONVOLUTIONS


class Orthogonal(Regularizer):
    """Orthogonal regularization without the diagonal (Brock et al. 2019, arXiv:1809.11096, eq. 3), of either player.

    weight ||W^T W * (1 - I)||_F^2, summed over the weights of all layers, the columns of W being their outputs: filters
    are to be different, their norms are free. Biases, norms and embeddings are left alone; of a normalised weight it is
    what is learned that counts, as in the authors' code.
    """

    kind: Literal["orthogonal"] = "orthogonal"
    player: ClassVar[Role | Literal["either"]] = "either"
    weight: PositiveNumber = Field(default=1e-4, description="the paper's beta")
    skip: tuple[str, ...] = Field(
        default=("embed",), description="layers whose path contains one of these words are left alone"
    )

    def penalty(self, duel: Duel) -> Tensor:
        """Return the penalty []; a `RecipeError` where the player has no weight that counts."""
        terms = [_overlap(matrix) for matrix in self.matrices(duel.player)]
        if not terms:
            raise RecipeError(
                f"'orthogonal' found no weight of a layer in {type(duel.player).__name__} but those that are skipped "
                f"({', '.join(self.skip)}); leave it out"
            )
        return value_at(self.weight, duel.images) * torch.stack(terms).sum()

    def matrices(self, network: nn.Module) -> Iterator[Tensor]:
        """Return the weights that count, each as [outputs, everything else]."""
        for path, weight in network.named_parameters():
            layer, _, name = path.removesuffix(".original").rpartition(".")
            layer = layer.removesuffix(".parametrizations")  # where a normalised weight keeps what is learned
            if name != "weight" or weight.dim() < 2 or any(word in layer for word in self.skip):
                continue
            owner = network.get_submodule(layer)
            if not isinstance(owner, nn.Embedding | nn.EmbeddingBag):
                yield (weight.transpose(0, 1) if isinstance(owner, TRANSPOSED_CONVOLUTIONS) else weight).flatten(1)


def _overlap(matrix: Tensor) -> Tensor:
    """Return the sum of the squared scalar products of different rows: all of them, less those of a row with itself."""
    with torch.autocast(matrix.device.type, enabled=False):
        products = matrix @ matrix.T
        return (products - torch.diag(products.diagonal())).square().sum()
