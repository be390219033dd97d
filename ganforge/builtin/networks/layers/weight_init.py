"""Initial weights: orthogonal or Xavier."""

from __future__ import annotations

from typing import Literal

from torch import nn

from ganforge.builtin.networks.layers.conditional_norm import SharedEmbedding

WeightInit = Literal["orthogonal", "xavier"]
WEIGHT_INIT_TEXT = (
    "what weights begin as: orthogonal (Saxe et al. 2014, arXiv:1312.6120) or xavier (Glorot & Bengio 2010)"
)


def initialise(network: nn.Module, weight_init: WeightInit) -> None:
    """Draw the weights of all convolutions, dense layers and shared embeddings, in place; biases become 0.

    Args:
        network: whose weights are drawn, from the global generator.
        weight_init: "orthogonal": as matrices [outputs, everything else] they have orthonormal rows or columns;
            "xavier": uniform with variance 2 / (inputs + outputs).
    """
    draw = nn.init.orthogonal_ if weight_init == "orthogonal" else nn.init.xavier_uniform_
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear | SharedEmbedding):
            draw(module.weight)
        if isinstance(module, nn.Conv2d | nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)
