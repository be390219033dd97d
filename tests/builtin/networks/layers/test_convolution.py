from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from ganforge.builtin.networks.layers.convolution import convolve

CASES = [(1, 0, False), (1, 1, False), (2, 0, False), (2, 0, True), (2, 1, True), (1, 1, True)]


def pair(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(seed)
    images = torch.randn(2, 3, 5, 5, dtype=torch.float64, requires_grad=True)
    return images, torch.randn(3, 3, 3, 3, dtype=torch.float64, requires_grad=True)


def reference(images: torch.Tensor, weight: torch.Tensor, stride: int, padding: int, transposed: bool) -> torch.Tensor:
    function = F.conv_transpose2d if transposed else F.conv2d
    return function(images, weight, stride=stride, padding=padding)


@pytest.mark.parametrize(("stride", "padding", "transposed"), CASES)
def test_value_and_gradients_are_those_of_torch(stride: int, padding: int, transposed: bool) -> None:
    images, weight = pair()
    bias = torch.randn(3, dtype=torch.float64, requires_grad=True)
    ours = convolve(images, weight, bias, stride=stride, padding=padding, transposed=transposed)
    theirs = reference(images, weight, stride, padding, transposed) + bias[:, None, None]
    torch.testing.assert_close(ours, theirs)
    outer = torch.randn_like(ours)
    one, other = (torch.autograd.grad(output, (images, weight, bias), outer) for output in (ours, theirs))
    torch.testing.assert_close(one, other)


@pytest.mark.parametrize(("stride", "padding", "transposed"), CASES)
def test_second_derivatives_agree_with_finite_differences(stride: int, padding: int, transposed: bool) -> None:
    inputs = (*pair(), torch.randn(3, dtype=torch.float64, requires_grad=True))

    def function(images: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        return convolve(images, weight * 1.0, bias * 1.0, stride=stride, padding=padding, transposed=transposed)

    assert torch.autograd.gradcheck(function, inputs, fast_mode=True)
    assert torch.autograd.gradgradcheck(function, inputs, fast_mode=True)


@pytest.mark.parametrize(("stride", "padding", "transposed"), CASES)
def test_penalty_gradient_is_that_of_torch(stride: int, padding: int, transposed: bool) -> None:
    found = []
    for function in (
        lambda i, w: convolve(i, w, stride=stride, padding=padding, transposed=transposed),
        lambda i, w: reference(i, w, stride, padding, transposed),
    ):
        images, weight = pair()
        (gradient,) = torch.autograd.grad(function(images, weight).pow(3).sum(), images, create_graph=True)
        gradient.square().sum().backward()
        found.append((images.grad, weight.grad))
    torch.testing.assert_close(found[0][0], found[1][0])
    torch.testing.assert_close(found[0][1], found[1][1])


class Masks(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[list[bool]] = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        if function is torch.ops.aten.convolution_backward.default:
            self.seen.append(args[-1])
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize("leaf", [True, False])
def test_where_only_input_gradients_are_wanted_no_weight_gradient_is_computed(leaf: bool) -> None:
    images, weight = pair()
    with Masks() as masks:
        output = convolve(images, weight if leaf else weight * 2, padding=1)
        torch.autograd.grad(output.sum(), images, create_graph=True)
    assert masks.seen == [[True, False, False]]
    with Masks() as masks:
        convolve(images, weight if leaf else weight * 2, padding=1).sum().backward()
    assert masks.seen == [[True, True, False]]
    assert weight.grad is not None


def test_channels_last_stays_channels_last() -> None:
    images = torch.randn(2, 4, 8, 8).to(memory_format=torch.channels_last).requires_grad_()
    weight = torch.randn(4, 4, 3, 3).to(memory_format=torch.channels_last).requires_grad_()
    output = convolve(images, weight, padding=1)
    (gradient,) = torch.autograd.grad(output.square().sum(), images, create_graph=True)
    for tensor in (output, gradient):
        assert tensor.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(("stride", "padding", "transposed"), CASES)
def test_a_constant_kernel_for_each_channel(stride: int, padding: int, transposed: bool) -> None:
    kernel = torch.randn(3, 1, 3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    geometry = {"stride": stride, "padding": padding, "groups": 3}
    found = []
    for function in (
        lambda i: convolve(i, kernel, transposed=transposed, **geometry),
        lambda i: (F.conv_transpose2d if transposed else F.conv2d)(i, kernel, **geometry),
    ):
        images, _ = pair()
        output = function(images * images)
        (gradient,) = torch.autograd.grad(output.pow(3).sum(), images, create_graph=True)
        gradient.square().sum().backward()
        found.append((output, gradient, images.grad))
    torch.testing.assert_close(found[0], found[1])
