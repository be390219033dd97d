"""Instance normalisation with a style's own mean and scale."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganforge.builtin.networks.layers.equalized_layers import LEAKY_RELU_SLOPE, EqualizedLinear


def at_least_float32(images: Tensor) -> Tensor:
    """Return images, half precisions widened to float32."""
    return images.to(torch.promote_types(images.dtype, torch.float32))


def adaptive_norm(images: Tensor, scales: Tensor, shifts: Tensor, eps: float = 1e-8) -> Tensor:
    """Return AdaIN: scales (x - mean) / sqrt(variance + eps) + shifts (Karras et al. 2019, arXiv:1812.04948, eq. 1).

    Args:
        images: [B, C, H, W]; mean and variance are those of each channel of each image.
        scales: [B, C].
        shifts: [B, C].
        eps: keeps flat channels finite.
    """
    variance, mean = torch.var_mean(at_least_float32(images), (2, 3), correction=0, keepdim=True)
    factors = scales[:, :, None, None] * (variance + eps).rsqrt()
    dtype = images.dtype
    return torch.addcmul(shifts.to(dtype)[:, :, None, None], images - mean.to(dtype), factors.to(dtype))


class LayerEpilogue(nn.Module):
    """What follows each convolution of StyleGAN: noise, bias, rectifier and AdaIN (arXiv:1812.04948, fig. 1b).

    Args:
        channels: of the images.
        style: length of a style.
    """

    def __init__(self, channels: int, style: int) -> None:
        super().__init__()
        self.noise_strength = nn.Parameter(torch.zeros(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.affine = EqualizedLinear(style, 2 * channels)

    def forward(self, images: Tensor, style: Tensor, noise: Tensor) -> Tensor:
        """Map images [B, C, H, W], a style [B, W] and noise [B, 1, H, W] to images [B, C, H, W]."""
        strength, bias = (part.to(images.dtype)[:, None, None] for part in (self.noise_strength, self.bias))
        images = images + torch.addcmul(bias, noise.to(images.dtype), strength)
        scales, shifts = self.affine(style).chunk(2, 1)
        return adaptive_norm(F.leaky_relu(images, LEAKY_RELU_SLOPE, inplace=True), scales + 1, shifts)
