"""A convolution made for gradient penalties.

PyTorch's own convolution differentiates twice, but computes the second-order weight gradient as a convolution with a
kernel as large as the image, and group by group, even of a constant kernel. Here every derivative is an ordinary
convolution or one of its two gradients. As with PyTorch's own, the weight's gradient is only computed where the
backward pass at hand wants it: `torch.autograd.grad(outputs, images)` costs no weight gradients.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd import Function

Extent = int | tuple[int, int]  # along both axes, or (down, across)


class ConvolutionGeometry(NamedTuple):
    """How a kernel meets an image: stride, zero padding, whether it is the transposed convolution, and groups."""

    stride: Extent = 1
    padding: Extent = 0
    transposed: bool = False
    groups: int = 1

    def forward(self, images: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        """Return the convolution, without a graph of its own."""
        stride, padding = _pair(self.stride), _pair(self.padding)
        return torch.ops.aten.convolution(  # type: ignore[no-any-return]
            images, weight, bias, stride, padding, [1, 1], self.transposed, [0, 0], self.groups
        )

    def gradients(
        self, gradient: Tensor, images: Tensor, weight: Tensor, wanted: list[bool]
    ) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        """Return its gradients by images, weight and bias, as far as they are wanted."""
        stride, padding = _pair(self.stride), _pair(self.padding)
        return torch.ops.aten.convolution_backward(  # type: ignore[no-any-return]
            gradient, images, weight, None, stride, padding, [1, 1], self.transposed, [0, 0], self.groups, wanted
        )


def _pair(extent: Extent) -> list[int]:
    return [extent, extent] if isinstance(extent, int) else list(extent)


def convolve(
    images: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    stride: Extent = 1,
    padding: Extent = 0,
    transposed: bool = False,
    groups: int = 1,
) -> Tensor:
    """Return the convolution of images with a kernel, differentiable as often as one likes.

    Args:
        images: [B, I, H, W].
        weight: [O, I, K, K']; [I, O, K, K'] where transposed.
        bias: [O] or None.
        stride: of the convolution; the factor of enlargement where transposed.
        padding: zeros added on each side; rows taken off each side of the output where transposed.
        transposed: whether it is the transposed convolution.
        groups: parts of the channels, each with its own kernel; I then counts the channels of one part (O where
            transposed).

    Returns:
        [B, O, H', W'], as of `torch.nn.functional.conv2d` or `conv_transpose2d`.
    """
    if torch.is_autocast_enabled(images.device.type):
        dtype = torch.get_autocast_dtype(images.device.type)
        images, weight, bias = images.to(dtype), weight.to(dtype), None if bias is None else bias.to(dtype)
    geometry = ConvolutionGeometry(stride, padding, transposed, groups)
    return _Convolution.apply(  # type: ignore[no-any-return]
        images, _as_inner_node(weight), None if bias is None else _as_inner_node(bias), geometry
    )


def _as_inner_node(parameter: Tensor) -> Tensor:
    """Return the parameter as an inner node of the graph: only of those the engine tells whether it will run them."""
    return parameter.view_as(parameter) if parameter.is_leaf and parameter.requires_grad else parameter


def _needs_gradient(ctx: Any, index: int) -> bool:
    """Whether this backward pass, and not only some other, goes on to input `index`."""
    if not ctx.needs_input_grad[index]:
        return False
    # Private, and what torch.autograd.graph itself asks: no public name tells what this very backward pass wants.
    return torch._C._will_engine_execute_node(ctx.next_functions[index][0])


class _Convolution(Function):
    @staticmethod
    def forward(ctx: Any, images: Tensor, weight: Tensor, bias: Tensor | None, geometry: ConvolutionGeometry) -> Tensor:
        ctx.save_for_backward(images, weight)
        ctx.geometry = geometry
        return geometry.forward(images, weight, bias)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        images, weight = ctx.saved_tensors
        wanted = [ctx.needs_input_grad[0], _needs_gradient(ctx, 1), _needs_gradient(ctx, 2)]
        if not torch.is_grad_enabled():
            return *ctx.geometry.gradients(gradient, images, weight, wanted), None
        return (
            _ImageGradient.apply(gradient, weight, images, ctx.geometry) if wanted[0] else None,
            _WeightGradient.apply(gradient, images, weight, ctx.geometry) if wanted[1] else None,
            gradient.sum((0, 2, 3)) if wanted[2] else None,
            None,
        )


class _ImageGradient(Function):
    """The gradient by images: linear in the outer gradient and in the weight; of the images it takes the shape."""

    @staticmethod
    def forward(
        ctx: Any, gradient: Tensor, weight: Tensor, images: Tensor, geometry: ConvolutionGeometry
    ) -> Tensor | None:
        ctx.save_for_backward(gradient, weight)
        ctx.geometry = geometry
        return geometry.gradients(gradient, images, weight, [True, False, False])[0]

    @staticmethod
    def backward(ctx: Any, outer: Tensor) -> tuple[Tensor | None, ...]:
        gradient, weight = ctx.saved_tensors
        return (
            _Convolution.apply(outer, weight, None, ctx.geometry) if ctx.needs_input_grad[0] else None,
            _WeightGradient.apply(gradient, outer, weight, ctx.geometry) if ctx.needs_input_grad[1] else None,
            None,
            None,
        )


class _WeightGradient(Function):
    """The gradient by the weight: linear in the outer gradient and in the images; of the weight it takes the shape."""

    @staticmethod
    def forward(
        ctx: Any, gradient: Tensor, images: Tensor, weight: Tensor, geometry: ConvolutionGeometry
    ) -> Tensor | None:
        ctx.save_for_backward(gradient, images)
        ctx.geometry = geometry
        return geometry.gradients(gradient, images, weight, [False, True, False])[1]

    @staticmethod
    def backward(ctx: Any, outer: Tensor) -> tuple[Tensor | None, ...]:
        gradient, images = ctx.saved_tensors
        return (
            _Convolution.apply(images, outer, None, ctx.geometry) if ctx.needs_input_grad[0] else None,
            _ImageGradient.apply(gradient, outer, images, ctx.geometry) if ctx.needs_input_grad[1] else None,
            None,
            None,
        )
