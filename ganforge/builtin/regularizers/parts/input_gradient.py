"""Gradients of outputs by inputs, which can themselves be differentiated."""

from __future__ import annotations

import torch
from torch import Tensor

from ganforge.api import Duel


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


def gradient_norm_penalty(duel: Duel, samples: Tensor, target: float) -> Tensor:
    """Return (||grad D(x)|| - target)^2, [B], at samples x [B, *shape], which require gradients."""
    gradient = input_gradient(duel.discriminator(samples, duel.labels), samples)
    penalty: Tensor = (torch.linalg.vector_norm(gradient.flatten(1), dim=1) - target).square()
    return penalty
