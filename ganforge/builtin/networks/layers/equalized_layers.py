"""Layers with an equalised learning rate."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganforge.builtin.networks.layers.convolution import convolve

LEAKY_RELU_SLOPE = 0.2  # of the leaky rectifier on its negative side
LEAKY_RELU_GAIN = math.sqrt(
    2.0
)  # what keeps the second moment through it; folded into the layer before (it is homogeneous)


class EqualizedLinear(nn.Module):
    """A linear map whose weights are drawn from N(0, 1) and scaled when used (Karras et al. 2018, arXiv:1710.10196).

    Scales ride on the matrix product and cost nothing of their own.

    Args:
        inputs: features that come in.
        outputs: features that go out.
        bias: what the bias starts at.
        lr_multiplier: of the effective learning rate, for weight and bias alike.
        rectify: whether a leaky rectifier of slope 0.2 and gain sqrt(2) follows.
    """

    def __init__(
        self, inputs: int, outputs: int, *, bias: float = 0.0, lr_multiplier: float = 1.0, rectify: bool = False
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / lr_multiplier)
        self.bias = nn.Parameter(torch.full([outputs], bias / lr_multiplier))
        self.rectify = rectify
        gain = LEAKY_RELU_GAIN if rectify else 1.0
        self.bias_scale = lr_multiplier * gain
        self.scale = self.bias_scale / math.sqrt(inputs)

    def forward(self, features: Tensor) -> Tensor:
        """Map features [B, I] to [B, O]."""
        result = torch.addmm(self.bias, features, self.weight.t(), beta=self.bias_scale, alpha=self.scale)
        return F.leaky_relu(result, LEAKY_RELU_SLOPE) if self.rectify else result


class EqualizedConv(nn.Module):
    """A convolution with an equalised learning rate (Karras et al. 2018, arXiv:1710.10196, sec. 4.1).

    Args:
        inputs: channels that come in.
        outputs: channels that go out.
        kernel: odd edge length of the kernel.
        stride: of the convolution; with more than 1 nothing is padded, as the blur before it did that.
        bias: whether it has one, which starts at 0.
        rectify: whether a leaky rectifier of slope 0.2 and gain sqrt(2) follows.
        gain: multiplies the result.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        *,
        stride: int = 1,
        bias: bool = True,
        rectify: bool = True,
        gain: float = 1.0,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None
        self.stride, self.padding = stride, kernel // 2 if stride == 1 else 0
        self.rectify = rectify
        self.bias_scale = gain * (LEAKY_RELU_GAIN if rectify else 1.0)
        self.scale = self.bias_scale / math.sqrt(inputs * kernel**2)

    def forward(self, images: Tensor) -> Tensor:
        """Map images [B, I, H, W] to [B, O, H', W']."""
        if self.weight.shape[2] == 1 and self.stride == 1:
            result = self._pointwise(images)
            return F.leaky_relu(result, LEAKY_RELU_SLOPE) if self.rectify else result
        bias = None if self.bias is None else self.bias * self.bias_scale
        result = convolve(images, self.weight * self.scale, bias, stride=self.stride, padding=self.padding)
        return F.leaky_relu(result, LEAKY_RELU_SLOPE, inplace=True) if self.rectify else result

    def _pointwise(self, images: Tensor) -> Tensor:
        """A 1x1 convolution is one matrix product over pixels, and channels_last whatever the images were."""
        batch, inputs, height, width = images.shape
        pixels, kernel = images.permute(0, 2, 3, 1).reshape(-1, inputs), self.weight.flatten(1).t()
        if self.bias is None:
            result = pixels @ (kernel * self.scale)
        else:
            result = torch.addmm(self.bias, pixels, kernel, beta=self.bias_scale, alpha=self.scale)
        return result.view(batch, height, width, -1).permute(0, 3, 1, 2)
