"""Convolutions that nothing can train."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Edges = tuple[int, int, int, int]  # zeros added left, right, above and below


class FrozenConv(nn.Module):
    """A convolution without parameters and without modes: its weights are buffers.

    No optimizer, average or constraint finds anything to change, and `train()` changes nothing; gradients flow through
    it to the images.

    Args:
        weight: [O, I / groups, K, K].
        bias: [O] or none.
        stride: of the convolution.
        edges: zeros added on each side.
        groups: parts of the channels, each with its own kernel.
        rectify: whether min(max(x, 0), 6) follows.
        persistent: whether checkpoints hold the weights.
    """

    weight: Tensor
    bias: Tensor | None

    def __init__(
        self,
        weight: Tensor,
        bias: Tensor | None = None,
        *,
        stride: int = 1,
        edges: Edges = (0, 0, 0, 0),
        groups: int = 1,
        rectify: bool = False,
        persistent: bool = True,
    ) -> None:
        super().__init__()
        self.register_buffer("weight", weight.detach().clone(), persistent=persistent)
        self.register_buffer("bias", None if bias is None else bias.detach().clone(), persistent=persistent)
        self.stride, self.edges, self.groups, self.rectify = stride, edges, groups, rectify

    def forward(self, images: Tensor) -> Tensor:
        """Map images [B, I, H, W] to [B, O, H', W']."""
        padding = self.edges[0]
        if len(set(self.edges)) > 1:
            images, padding = F.pad(images, self.edges), 0
        images = F.conv2d(images, self.weight, self.bias, self.stride, padding, 1, self.groups)
        return F.relu6(images, inplace=True) if self.rectify else images


def random_conv(inputs: int, outputs: int, kernel: int) -> FrozenConv:
    """Make a convolution with weights from N(0, 1 / fan-in), after which the resolution is as before.

    That is the initialisation of He et al. 2015 (arXiv:1502.01852, eq. 14) where no rectifier follows.
    """
    weight = nn.init.kaiming_normal_(torch.empty(outputs, inputs, kernel, kernel), nonlinearity="linear")
    edge = kernel // 2
    return FrozenConv(weight, edges=(edge, edge, edge, edge))


def fold_batch_norm(convolution: Any, norm: Any, *, rectify: bool) -> FrozenConv:
    """Make one convolution of a trained one and the BatchNorm that follows it, as they are in evaluation.

    Args:
        convolution: of the package `efficientnet_lite_pytorch`: a `Conv2d` without bias, with a padding of its own.
        norm: the BatchNorm that follows it.
        rectify: whether a ReLU6 follows that.
    """
    scale = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
    weight = convolution.weight.double() * scale[:, None, None, None]
    bias = norm.bias.double() - norm.running_mean.double() * scale
    padded = convolution.static_padding
    edges: Edges = padded.padding if isinstance(padded, nn.ZeroPad2d) else (0, 0, 0, 0)
    return FrozenConv(
        weight.float(),
        bias.float(),
        stride=convolution.stride[0],
        edges=edges,
        groups=convolution.groups,
        rectify=rectify,
        persistent=False,
    )
