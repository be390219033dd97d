"""Convolutions whose kernels are scaled, sample by sample, by a style."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganforge.builtin.networks.layers.convolution import convolve
from ganforge.builtin.networks.layers.equalized_layers import LEAKY_RELU_GAIN, LEAKY_RELU_SLOPE, EqualizedLinear
from ganforge.builtin.networks.layers.fir_resampling import FirResample


def modulate(images: Tensor, weight: Tensor, scales: Tensor, *, padding: int = 0, up: bool = False) -> Tensor:
    """Return the convolution with each sample's own kernel, `weight` scaled along its inputs.

    Scaling the kernel's inputs is scaling the image's channels, so that all samples share one convolution.

    Args:
        images: [B, I, H, W], or [1, I, H, W] for all.
        weight: [O, I, K, K].
        scales: [B, I].
        padding: zeros added on each side.
        up: whether it is the transposed convolution of stride 2.
    """
    scaled = images * scales.to(images.dtype)[:, :, None, None]
    if up:
        return convolve(scaled, weight.transpose(0, 1), stride=2, padding=padding, transposed=True)
    return convolve(scaled, weight, padding=padding)


def demodulation(weight: Tensor, scales: Tensor) -> Tensor:
    """Return what gives each output channel unit variance (Karras et al. 2020, arXiv:1912.04958, eq. 3), [B, O].

    Args:
        weight: [O, I, K, K].
        scales: [B, I].
    """
    return (scales.square() @ weight.square().sum((2, 3)).t() + 1e-8).rsqrt()


class ModulatedConv(nn.Module):
    """Modulation, 3x3 convolution, demodulation, noise, bias and rectifier (arXiv:1912.04958, sec. 2.2, fig. 2d).

    Args:
        inputs: channels that come in.
        outputs: channels that go out.
        style: length of a style.
        up: whether the resolution doubles.
    """

    def __init__(self, inputs: int, outputs: int, style: int, *, up: bool = False) -> None:
        super().__init__()
        self.affine = EqualizedLinear(style, inputs, bias=1.0)
        self.weight = nn.Parameter(torch.randn(outputs, inputs, 3, 3))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.noise_strength = nn.Parameter(torch.zeros([]))
        self.blur = FirResample(outputs, padding=1, gain=4.0) if up else None
        self.scale = 1 / math.sqrt(inputs * 9)

    def forward(self, images: Tensor, style: Tensor, noise: Tensor) -> Tensor:
        """Map images [B, I, H, W], a style [B, W] and noise [B, 1, H', W'] to [B, O, H', W']."""
        scales, weight = self.affine(style), self.weight * self.scale
        result = modulate(images, weight, scales, padding=0 if self.blur else 1, up=self.blur is not None)
        if self.blur is not None:
            result = self.blur(result)
        dtype = result.dtype
        outer = (demodulation(weight, scales) * LEAKY_RELU_GAIN).to(dtype)[:, :, None, None]
        bias = (self.bias * LEAKY_RELU_GAIN).to(dtype)[:, None, None]
        result = torch.addcmul(bias, result, outer) + (noise * (self.noise_strength * LEAKY_RELU_GAIN)).to(dtype)
        return F.leaky_relu(result, LEAKY_RELU_SLOPE, inplace=True)


class ToImage(nn.Module):
    """A modulated 1x1 convolution to colours, without demodulation (arXiv:1912.04958, fig. 7b).

    It reads its input once: the few colours make each sample's own kernel a matrix of next to nothing.

    Args:
        inputs: channels that come in.
        colours: channels that go out.
        style: length of a style.
    """

    def __init__(self, inputs: int, colours: int, style: int) -> None:
        super().__init__()
        self.affine = EqualizedLinear(style, inputs, bias=1.0)
        self.weight = nn.Parameter(torch.randn(colours, inputs, 1, 1))
        self.bias = nn.Parameter(torch.zeros(colours))
        self.scale = 1 / math.sqrt(inputs)

    def forward(self, images: Tensor, style: Tensor) -> Tensor:
        """Map images [B, I, H, W] and a style [B, W] to colours [B, O, H, W]."""
        batch, inputs, height, width = images.shape
        scales = self.affine(style) * self.scale
        kernels = scales[:, :, None] * self.weight.flatten(1).t()  # [B, I, O]
        pixels = images.permute(0, 2, 3, 1).reshape(batch, height * width, inputs)
        colours = torch.baddbmm(self.bias.to(kernels.dtype), pixels, kernels.to(pixels.dtype))
        return colours.reshape(batch, height, width, -1).permute(0, 3, 1, 2)
