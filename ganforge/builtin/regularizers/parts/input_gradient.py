"""How outputs change with inputs, in a form that can itself be differentiated: what gradient penalties share."""

from __future__ import annotations

import torch
from torch import Tensor


def input_gradient(outputs: Tensor, inputs: Tensor) -> Tensor:
    """Return the gradient of the sum of `outputs` by `inputs`; a penalty on it reaches the weights.

    Only `inputs` are named to the engine, so that gradients of weights, which nobody asked for, are not computed.

    Args:
        outputs: any shape; where output i depends on input i alone, row i of the result is its own gradient.
        inputs: [B, ...], requires gradients.

    Returns:
        A tensor of the shape of `inputs`, part of the graph.
    """
    (gradient,) = torch.autograd.grad(outputs.sum(), inputs, create_graph=True)
    return gradient
