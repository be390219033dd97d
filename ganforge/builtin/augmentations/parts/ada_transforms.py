"""The transforms of adaptive augmentation: geometric ones and those of colours."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn

from ganforge.api import Dice
from ganforge.builtin.augmentations.parts.affine_warp import AffineWarp

AdaTransform = Literal["blit", "geometric", "colour"]
_SHIFT = 0.125  # standard deviation of translations (of whole pixels: the largest), as a share of the resolution
_SCALE = 0.2 * math.log(2)  # standard deviation of the logarithm of scales
_BRIGHTNESS, _CONTRAST, _SATURATION = 0.2, 0.5 * math.log(2), math.log(2)


class GeometricTransform(nn.Module):
    """x-flip, quarter turns, translations, scales and rotations as one affine map per sample (app. B).

    Args:
        resolution: R of the images.
        blit: x-flip, quarter turns and translation by whole pixels.
        geometric: isotropic scale, rotation, anisotropic scale, rotation, fractional translation.
        antialias: see `AffineWarp`.
    """

    quarters: Tensor

    def __init__(self, resolution: int, blit: bool, geometric: bool, antialias: bool) -> None:
        super().__init__()
        self.resolution, self.blit, self.geometric = resolution, blit, geometric
        self.dice, self.warp = Dice(), AffineWarp(resolution, antialias)
        quarter = torch.tensor([[0.0, -1.0], [1.0, 0.0]])
        turns = torch.stack([torch.linalg.matrix_power(quarter, times) for times in range(4)])
        self.register_buffer("quarters", turns, persistent=False)

    def forward(self, images: Tensor, p: Tensor) -> Tensor:
        """Return images [B, C, R, R], each changed with probabilities p []; those that nothing struck, as they were."""
        linear, offset = self.maps(len(images), p)
        struck = (linear != self.quarters[0]).flatten(1).any(1) | (offset != 0).any(1)
        return torch.where(struck.view(-1, 1, 1, 1), self.warp(images, linear, offset), images)

    def maps(self, rows: int, p: Tensor) -> tuple[Tensor, Tensor]:
        """Draw maps from places in the result to places in the image: linear [B, 2, 2], offset [B, 2] in pixels."""
        linear, offset = self.quarters[0].expand(rows, 2, 2), self.quarters.new_zeros(rows, 2)
        if self.blit:
            draw = self.dice.uniform(rows, 7)
            flip, turn, shift = (draw[:, :3] < p).unbind(1)
            signs = torch.where(flip & (draw[:, 3] < 0.5), -1.0, 1.0)
            turns = torch.where(turn, (draw[:, 4] * 4).long().clamp(max=3), 0)
            linear = torch.stack([signs, torch.ones_like(signs)], 1)[:, :, None] * self.quarters[turns]
            pixels = ((draw[:, 5:] * 2 - 1) * (_SHIFT * self.resolution)).round()
            offset = _apply(linear, torch.where(shift[:, None], -pixels, 0.0))
        if self.geometric:
            draw, normal = self.dice.uniform(rows, 7), self.dice.normal(rows, 4)
            scale, stretch, shift = (draw[:, :3] < p).unbind(1)
            turn = draw[:, 3:5] < 1 - (1 - p).sqrt()  # so that one of the two rotations strikes with probability p
            first, second = _rotations(torch.where(turn, (draw[:, 5:] * 2 - 1) * math.pi, 0.0)).unbind(1)
            size = torch.where(scale, (normal[:, 0] * _SCALE).exp(), 1.0)
            aspect = torch.where(stretch, (normal[:, 1] * _SCALE).exp(), 1.0)
            sides = torch.stack([1 / (size * aspect), aspect / size], 1)
            linear = linear @ first @ (sides[:, :, None] * second)
            pixels = normal[:, 2:] * (_SHIFT * self.resolution)
            offset = offset + _apply(linear, torch.where(shift[:, None], -pixels, 0.0))
        return linear, offset


def _apply(linear: Tensor, vectors: Tensor) -> Tensor:
    return (linear @ vectors[:, :, None]).squeeze(2)


def _rotations(angles: Tensor) -> Tensor:
    """Return rotations [..., 2, 2] by angles [...] in radians."""
    cosine, sine = angles.cos(), angles.sin()
    return torch.stack([torch.stack([cosine, -sine], -1), torch.stack([sine, cosine], -1)], -2)


class ColourTransform(nn.Module):
    """Brightness, contrast, luma flip, hue and saturation as one affine map of colours per sample (app. B).

    In colours as vectors, contrast and luma flip scale the component along grey, (1, 1, 1); contrast and saturation
    scale, and hue turns, what is across it. Grey images (and any of other than 3 or 4 channels) have only the first.
    The fourth channel, alpha, is left alone.
    """

    along: Tensor
    across: Tensor
    turned: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.coloured, self.hues = (3 if channels == 4 else channels), channels in (3, 4)
        self.dice = Dice()
        along = torch.full((3, 3), 1 / 3)
        turned = torch.tensor([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]]) / math.sqrt(3)
        self.register_buffer("along", along, persistent=False)
        self.register_buffer("across", torch.eye(3) - along, persistent=False)
        self.register_buffer("turned", turned, persistent=False)  # across, turned by a right angle

    def forward(self, images: Tensor, p: Tensor) -> Tensor:
        """Return images [B, C, R, R] in [-1, 1], each changed with probabilities p []; they may leave the range."""
        matrix, shift = self.maps(len(images), p)
        matrix, shift = matrix.to(images.dtype), shift.to(images.dtype).view(-1, 1, 1, 1)
        colours, rest = images[:, : self.coloured], images[:, self.coloured :]
        if self.hues:
            colours = torch.einsum("bij,bjhw->bihw", matrix, colours) + shift
        else:
            colours = colours * matrix.view(-1, 1, 1, 1) + shift
        return torch.cat([colours, rest], 1) if rest.shape[1] else colours

    def maps(self, rows: int, p: Tensor) -> tuple[Tensor, Tensor]:
        """Draw maps of colours: a matrix [B, 3, 3] (grey: a factor [B]) and what is then added to every channel [B]."""
        draw, normal = self.dice.uniform(rows, 7), self.dice.normal(rows, 3)
        bright, contrast, flip, hue, saturate = (draw[:, :5] < p).unbind(1)
        brightness = torch.where(bright, normal[:, 0] * _BRIGHTNESS, 0.0)
        gain = torch.where(contrast, (normal[:, 1] * _CONTRAST).exp(), 1.0)
        grey = torch.where(flip & (draw[:, 5] < 0.5), -gain, gain)
        if not self.hues:
            return grey, grey * brightness
        angle = torch.where(hue, (draw[:, 6] * 2 - 1) * math.pi, 0.0)
        vivid = gain * torch.where(saturate, (normal[:, 2] * _SATURATION).exp(), 1.0)
        return self.matrix(grey, vivid, angle), grey * brightness

    def matrix(self, grey: Tensor, vivid: Tensor, angle: Tensor) -> Tensor:
        """Return [B, 3, 3]: `grey` [B] times the part along grey, `vivid` [B] times that across, turned by `angle`."""
        parts = ((grey, self.along), (vivid * angle.cos(), self.across), (vivid * angle.sin(), self.turned))
        return torch.stack([factor[:, None, None] * part for factor, part in parts]).sum(0)
