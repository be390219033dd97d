from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganforge.builtin.networks.layers.window_attention import DoubleAttention, linear


def made(channels: int = 8, resolution: int = 8, window: int = 4, heads: int = 4) -> DoubleAttention:
    torch.manual_seed(0)
    layer = DoubleAttention(channels, resolution, window, heads).double()
    nn.init.normal_(layer.position)
    nn.init.normal_(layer.to_heads.weight)
    return layer


def images(layer: DoubleAttention, resolution: int = 8, batch: int = 2) -> Tensor:
    channels = layer.to_heads.in_features
    return torch.randn(
        batch, resolution, resolution, channels, dtype=torch.float64, generator=torch.Generator().manual_seed(1)
    )


def pixel_by_pixel(layer: DoubleAttention, values: Tensor) -> Tensor:
    """Each pixel attends to those whose window, by their coordinates, is the same; head by head, in words."""
    batch, resolution, _, channels = values.shape
    size, heads, window = channels // layer.heads, layer.heads, layer.window
    place = torch.cartesian_prod(torch.arange(resolution), torch.arange(resolution))  # [R R, 2]
    rows, columns = (place[:, None] - place[None]).unbind(2)
    number = (rows + window - 1) * (2 * window - 1) + columns + window - 1
    inside = (rows.abs() < window) & (columns.abs() < window)
    parts = layer.to_heads(values).reshape(batch, resolution**2, 3, heads, size)
    result = []
    for head in range(heads):
        shift = layer.shift if head >= heads // 2 else 0
        block = torch.div(place - shift, window, rounding_mode="floor")  # pixels before the shift have one of their own
        together = (block[:, None] == block[None]).all(2)
        query, key, value = (parts[:, :, index, head] for index in range(3))
        bias = layer.position[:, head][torch.where(inside, number, 0)]
        result.append(F.scaled_dot_product_attention(query, key, value, bias.masked_fill(~together, -math.inf)))
    return layer.from_heads(torch.cat(result, 2).reshape(values.shape))


@pytest.mark.parametrize(("resolution", "window"), [(8, 4), (16, 4), (8, 2), (8, 8), (4, 8)])
def test_it_is_torch_s_attention_among_the_pixels_of_a_window(resolution: int, window: int) -> None:
    layer = made(resolution=resolution, window=window)
    values = images(layer, resolution)
    torch.testing.assert_close(layer(values), pixel_by_pixel(layer, values))


def test_it_is_a_softmax() -> None:
    """One window over the whole image, no bias: softmax(Q K^T / sqrt(d)) V, written out."""
    layer = made(channels=4, resolution=4, window=4, heads=2)
    nn.init.zeros_(layer.position)
    values = images(layer, 4)
    query, key, value = layer.to_heads(values).flatten(1, 2).chunk(3, 2)
    heads = []
    for part in range(2):
        q, k, v = (tensor[:, :, 2 * part : 2 * part + 2] for tensor in (query, key, value))
        weights = (torch.einsum("bic,bjc->bij", q, k) / math.sqrt(2)).exp()
        heads.append(torch.einsum("bij,bjc->bic", weights / weights.sum(2, keepdim=True), v))
    torch.testing.assert_close(layer(values), layer.from_heads(torch.cat(heads, 2)).reshape(values.shape))


def test_shifted_heads_look_beyond_the_border_of_a_window() -> None:
    layer = made()
    values = images(layer).requires_grad_()
    (by_pixel,) = torch.autograd.grad(layer(values)[0, 3, 3].sum(), values)
    seen = by_pixel[0].abs().sum(2) > 0
    assert seen[:4, :4].all(), "its own window"
    assert seen[2:6, 2:6].all(), "and the shifted one"
    assert seen.sum() == 28, "and nothing else"
    assert by_pixel[1].abs().sum() == 0, "no other image"


def test_it_differentiates_twice() -> None:
    layer = made(channels=4, resolution=4, window=2, heads=2)
    values = images(layer, 4, 1).requires_grad_()
    torch.autograd.gradcheck(layer, (values,))
    torch.autograd.gradgradcheck(layer, (values,))


@pytest.mark.parametrize(("inputs", "std"), [(512, 0.02), (128, 0.04)])
def test_linear_maps_begin_as_the_authors(inputs: int, std: float) -> None:
    torch.manual_seed(0)
    layer = linear(inputs, 400)
    assert layer.weight.std().item() == pytest.approx(std, rel=0.02)
    assert layer.bias.abs().sum() == 0
