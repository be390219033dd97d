from __future__ import annotations

import pytest
import torch
from torch import Tensor

from ganforge.builtin.networks.layers.self_attention import SelfAttention


def explicit(layer: SelfAttention, image: Tensor) -> Tensor:
    """x + strength * W softmax(q^T k) v for one image [C, H, W], place by place."""
    channels, height, width = image.shape
    matrices = [part.weight[:, :, 0, 0] for part in (layer.query, layer.key, layer.value, layer.last)]
    query, key, value = (torch.einsum("oc,chw->ohw", matrix, image) for matrix in matrices[:3])

    def pooled(maps: Tensor) -> Tensor:
        corners = [
            [maps[:, y : y + 2, x : x + 2].amax((1, 2)) for x in range(0, width, 2)] for y in range(0, height, 2)
        ]
        return torch.stack([corner for row in corners for corner in row])  # [places, channels]

    keys, values = pooled(key), pooled(value)
    result = image.clone()
    for y in range(height):
        for x in range(width):
            scores = torch.stack([(query[:, y, x] * one).sum() for one in keys])
            weights = scores.exp() / scores.exp().sum()
            seen = sum(weight * one for weight, one in zip(weights, values, strict=True))
            result[:, y, x] += layer.strength * (matrices[3] @ seen)
    assert channels == result.shape[0]
    return result


def test_it_is_a_softmax_over_pooled_places():
    torch.manual_seed(0)
    layer = SelfAttention(16).double()
    images = torch.randn(2, 16, 4, 6, dtype=torch.float64)
    torch.testing.assert_close(layer(images), images, rtol=0, atol=0)  # the strength begins at 0
    torch.nn.init.constant_(layer.strength, 0.7)
    expected = torch.stack([explicit(layer, image) for image in images])
    assert not torch.allclose(expected, images)
    torch.testing.assert_close(layer(images), expected, rtol=1e-12, atol=1e-12)


def test_gradients_are_those_of_finite_differences_twice():
    torch.manual_seed(0)
    layer = SelfAttention(4).double().requires_grad_(False)
    torch.nn.init.constant_(layer.strength, 0.7)
    images = torch.randn(1, 4, 2, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(layer, images)
    assert torch.autograd.gradgradcheck(layer, images)


def test_a_place_sees_the_whole_image():
    torch.manual_seed(0)
    layer = SelfAttention(8)
    torch.nn.init.constant_(layer.strength, 1.0)
    images = torch.randn(1, 8, 8, 8, requires_grad=True)
    (gradient,) = torch.autograd.grad(layer(images)[0, :, 0, 0].sum(), images)
    touched = gradient[0].abs().sum(0).unflatten(0, (4, 2)).unflatten(2, (4, 2)).amax((1, 3))
    assert (touched > 0).all(), "every 2x2 square sends its largest"


@pytest.mark.parametrize("channels", [1, 3, 8, 96])
def test_parameters_are_those_of_four_matrices_and_a_strength(channels):
    inner, values = max(channels // 8, 1), max(channels // 2, 1)
    found = sum(parameter.numel() for parameter in SelfAttention(channels).parameters())
    assert found == 2 * channels * inner + 2 * channels * values + 1
    images = torch.randn(2, channels, 4, 4)
    assert SelfAttention(channels)(images).shape == images.shape
