from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from ganforge.builtin.networks.layers.modulated_convolution import ModulatedConv, ToImage, demodulation, modulate


def naive(images: torch.Tensor, weight: torch.Tensor, scales: torch.Tensor, up: bool, demodulate: bool) -> torch.Tensor:
    """Eq. 1 and 3 of arXiv:1912.04958 as they are written: one kernel for each sample, one convolution for each."""
    results = []
    for image, scale in zip(images, scales, strict=True):
        kernel = weight * scale[None, :, None, None]
        if demodulate:
            kernel = kernel / (kernel.square().sum((1, 2, 3), keepdim=True) + 1e-8).sqrt()
        if up:
            results.append(F.conv_transpose2d(image[None], kernel.transpose(0, 1), stride=2))
        else:
            results.append(F.conv2d(image[None], kernel, padding=1))
    return torch.cat(results)


@pytest.mark.parametrize("up", [False, True])
@pytest.mark.parametrize("demodulate", [False, True])
def test_equals_a_kernel_for_each_sample(up: bool, demodulate: bool) -> None:
    torch.manual_seed(0)
    images = torch.randn(3, 4, 5, 5, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(6, 4, 3, 3, dtype=torch.float64, requires_grad=True)
    scales = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    ours = modulate(images, weight, scales, padding=0 if up else 1, up=up)
    if demodulate:
        ours = ours * demodulation(weight, scales)[:, :, None, None]
    theirs = naive(images, weight, scales, up, demodulate)
    torch.testing.assert_close(ours, theirs)
    inputs = (images, weight, scales)
    one, other = (torch.autograd.grad(out.pow(3).sum(), inputs, create_graph=True) for out in (ours, theirs))
    torch.testing.assert_close(one, other)
    one, other = (torch.autograd.grad(grads[2].square().sum(), inputs) for grads in (one, other))
    torch.testing.assert_close(one, other)


def test_demodulated_output_has_unit_variance() -> None:
    torch.manual_seed(0)
    layer = ModulatedConv(16, 8, 4)
    images, scales = torch.randn(64, 16, 16, 16), torch.rand(64, 16) * 3
    out = modulate(images, layer.weight, scales, padding=1) * demodulation(layer.weight, scales)[:, :, None, None]
    assert out[:, :, 1:-1, 1:-1].std().item() == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize("up", [False, True])
def test_a_whole_layer_is_what_the_paper_draws(up: bool) -> None:
    torch.manual_seed(0)
    layer = ModulatedConv(4, 6, 5, up=up).double()
    with torch.no_grad():
        layer.bias.normal_()
        layer.noise_strength.fill_(0.7)
        layer.affine.bias.normal_()
    images, style = torch.randn(3, 4, 8, 8, dtype=torch.float64), torch.randn(3, 5, dtype=torch.float64)
    noise = torch.randn(3, 1, *[16 if up else 8] * 2, dtype=torch.float64)
    scales = style @ layer.affine.weight.t() / 5**0.5 + layer.affine.bias
    hidden = naive(images, layer.weight, scales, up, demodulate=True)
    if up:  # zeros between the pixels divide the signal by four
        taps = torch.tensor([1.0, 3, 3, 1], dtype=torch.float64) / 8
        kernel = (torch.outer(taps, taps) * 4).expand(6, 1, 4, 4)
        hidden = F.conv2d(hidden, kernel, padding=1, groups=6)
    expected = F.leaky_relu(hidden + 0.7 * noise + layer.bias[:, None, None], 0.2) * 2**0.5
    torch.testing.assert_close(layer(images, style, noise), expected, rtol=1e-6, atol=1e-6)


def test_to_image_is_a_modulated_1x1_convolution() -> None:
    torch.manual_seed(0)
    layer = ToImage(4, 3, 5).double()
    with torch.no_grad():
        layer.bias.normal_()
    images, style = torch.randn(2, 4, 6, 6, dtype=torch.float64), torch.randn(2, 5, dtype=torch.float64)
    scales = (style @ layer.affine.weight.t() / 5**0.5 + 1) / 4**0.5
    expected = torch.stack(
        [
            torch.einsum("oi,ihw->ohw", layer.weight[:, :, 0, 0] * scale, image)
            for image, scale in zip(images, scales, strict=True)
        ]
    )
    torch.testing.assert_close(layer(images, style), expected + layer.bias[:, None, None])
