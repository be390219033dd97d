"""Fourier features: a picture without borders that can be moved exactly."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ganforge.builtin.networks.layers.equalized_layers import EqualizedLinear
from ganforge.builtin.networks.layers.filtered_leaky_relu import SignalBand


class FourierFeatures(nn.Module):
    """Sine waves of fixed random frequencies, moved by the style and mixed (arXiv:2106.12423, sec. 3.1 and app. F).

    Frequencies are uniform in the disc below the cutoff. The style says a rotation and a translation, which at first
    are none. Coordinates are in widths of the image, from its centre, x to the right and y down.

    Args:
        channels: how many waves, and channels that go out.
        style: length of a style.
        band: where they are sampled.
    """

    frequencies: Tensor
    phases: Tensor
    places: Tensor

    def __init__(self, channels: int, style: int, band: SignalBand) -> None:
        super().__init__()
        self.size = band.size
        radius, angle = band.cutoff * torch.rand(channels).sqrt(), 2 * math.pi * torch.rand(channels)
        self.register_buffer("frequencies", torch.stack([radius * angle.cos(), radius * angle.sin()], 1))  # [C, 2]
        self.register_buffer("phases", torch.rand(channels))  # in turns
        axis = (torch.arange(band.size) + 0.5 - band.size / 2) / band.rate
        down, across = torch.meshgrid(axis, axis, indexing="ij")
        places = torch.stack([across, down, torch.ones_like(down)], 2).flatten(0, 1)
        self.register_buffer("places", places, persistent=False)  # [H * W, 3], homogeneous
        self.weight = nn.Parameter(torch.randn(channels, channels))
        self.scale = 1 / math.sqrt(channels)
        self.affine = EqualizedLinear(style, 4)
        with torch.no_grad():
            self.affine.weight.zero_()
            self.affine.bias.copy_(torch.tensor([1.0, 0.0, 0.0, 0.0]))

    def forward(self, style: Tensor, motion: Tensor | None = None) -> Tensor:
        """Map a style [B, W] to features [B, C, H, W], moved by `motion` [B, 3, 3] where there is one."""
        numbers = self.affine(style).float()
        with torch.autocast(style.device.type, enabled=False):  # bf16 knows no place exactly enough
            looked_up = motion_matrix(numbers)
            if motion is not None:
                looked_up = looked_up @ torch.linalg.inv(motion.float())
            points = (self.places @ looked_up.transpose(1, 2))[:, :, :2]  # [B, H * W, 2]
            turns = points @ self.frequencies.t() + self.phases
        waves = torch.sin(2 * math.pi * turns) @ (self.weight.t() * self.scale)
        return waves.unflatten(1, (self.size, self.size)).permute(0, 3, 1, 2)  # type: ignore[no-untyped-call,no-any-return]


def motion_matrix(numbers: Tensor) -> Tensor:
    """Return the motion [B, 3, 3] that numbers (c, s, x, y) [B, 4] stand for: translate by (-x, -y), then rotate.

    The rotation is by the angle of (c, s), whatever its length (arXiv:2106.12423, app. F).
    """
    cos, sin = (numbers[:, :2] / torch.linalg.vector_norm(numbers[:, :2], dim=1, keepdim=True)).unbind(1)
    zero, one = torch.zeros_like(cos), torch.ones_like(cos)
    rotation = torch.stack([cos, -sin, zero, sin, cos, zero, zero, zero, one], 1).view(-1, 3, 3)
    shift = torch.stack([one, zero, -numbers[:, 2], zero, one, -numbers[:, 3], zero, zero, one], 1).view(-1, 3, 3)
    return rotation @ shift
