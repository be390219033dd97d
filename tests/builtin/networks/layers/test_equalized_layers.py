from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from ganforge.builtin.networks.layers.equalized_layers import EqualizedConv, EqualizedLinear
from ganforge.builtin.networks.layers.minibatch_stddev import MinibatchStddevLayer


@pytest.mark.parametrize("rectify", [False, True])
def test_linear_is_scaled_when_used(rectify: bool) -> None:
    torch.manual_seed(0)
    layer = EqualizedLinear(9, 4, bias=0.5, lr_multiplier=0.01, rectify=rectify).double()
    assert layer.weight.std().item() == pytest.approx(100, rel=0.5)
    features = torch.randn(5, 9, dtype=torch.float64)
    expected = features @ (layer.weight * 0.01 / 3).t() + 0.5
    if rectify:
        expected = F.leaky_relu(expected, 0.2) * 2**0.5
    torch.testing.assert_close(layer(features), expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (3, 2), (1, 1)])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("rectify", [True, False])
def test_convolution_is_scaled_when_used(kernel: int, stride: int, bias: bool, rectify: bool) -> None:
    torch.manual_seed(0)
    layer = EqualizedConv(3, 6, kernel, stride=stride, bias=bias, rectify=rectify, gain=0.5).double()
    if layer.bias is not None:
        layer.bias.data.normal_()
    images = torch.randn(2, 3, 9, 9, dtype=torch.float64)
    padding = kernel // 2 if stride == 1 else 0
    expected = F.conv2d(images, layer.weight / (3 * kernel**2) ** 0.5, layer.bias, stride, padding)
    if rectify:
        expected = F.leaky_relu(expected, 0.2) * 2**0.5
    torch.testing.assert_close(layer(images), expected * 0.5)


@pytest.mark.parametrize(("batch", "size"), [(8, 4), (4, 4), (6, 3), (3, 3), (10, 2), (5, 1), (1, 1)])
def test_deviation_of_neighbours(batch: int, size: int) -> None:
    images = torch.randn(batch, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    output = MinibatchStddevLayer(4)(images).numpy()
    np.testing.assert_array_equal(output[:, :3], images.numpy())
    for start in range(0, batch, size):
        group = images.numpy()[start : start + size].astype(np.float64)
        expected = np.sqrt(group.var(0) + 1e-8).mean()
        np.testing.assert_allclose(output[start : start + size, 3], expected, rtol=1e-5)
