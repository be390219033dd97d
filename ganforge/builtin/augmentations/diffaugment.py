"""DiffAugment."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field, field_validator
from torch import Tensor

from ganforge.api import Augmentation, AugmentationNetwork, DataSpec, Dice

DiffTransform = Literal["colour", "translation", "cutout"]
_ALL_TRANSFORMS: tuple[DiffTransform, ...] = ("colour", "translation", "cutout")
_SHIFT, _CUT = 1 / 8, 1 / 2  # largest translation and side of the cut-out square, as shares of the resolution


class DiffAugment(Augmentation):
    """Differentiable augmentation (Zhao et al. 2020, arXiv:2006.10738, sec. 3.2) of all that the discriminator sees.

    Colour: brightness by [-0.5, 0.5), saturation by a factor in [0, 2), contrast by one in [0.5, 1.5). Translation: up
    to 1/8 of the resolution, zeros move in. Cutout: a square of half the resolution becomes zeros. An alpha channel
    (the fourth) keeps its values under colour, and images of other than 3 or 4 channels have no saturation.
    """

    kind: Literal["diffaugment"] = "diffaugment"
    policy: tuple[DiffTransform, ...] = Field(
        default=_ALL_TRANSFORMS, min_length=1, max_length=3, description="which changes: colour, translation, cutout"
    )

    @field_validator("policy")
    @classmethod
    def _refuse_repeats(cls, policy: tuple[DiffTransform, ...]) -> tuple[DiffTransform, ...]:
        if len(set(policy)) < len(policy):
            raise ValueError("a change is named twice; name each once")
        return policy

    def build(self, data: DataSpec) -> AugmentationNetwork:
        """Make the module; a `DataError` where the data are not square images."""
        return DiffAugmentNetwork(self.policy, data.channels, data.resolution)


class DiffAugmentNetwork(AugmentationNetwork):
    """Applies the policy to samples [B, C, R, R], in the order colour, translation, cutout."""

    places: Tensor

    def __init__(self, policy: tuple[DiffTransform, ...], channels: int, resolution: int) -> None:
        super().__init__()
        self.policy, self.resolution = frozenset(policy), resolution
        self.coloured = 3 if channels == 4 else channels
        self.dice = Dice()
        self.register_buffer("places", torch.arange(resolution), persistent=False)

    def forward(self, samples: Tensor) -> Tensor:
        """Return augmented samples [B, C, R, R]."""
        if "colour" in self.policy:
            samples = self.colour(samples, self.dice.uniform(len(samples), 3))
        if "translation" in self.policy:
            reach = int(self.resolution * _SHIFT + 0.5)
            samples = self.translate(samples, self.dice.integers(2 * reach + 1, len(samples), 2) - reach)
        if "cutout" in self.policy:
            centres = self.resolution + 1 - int(self.resolution * _CUT + 0.5) % 2
            samples = self.cut(samples, self.dice.integers(centres, len(samples), 2))
        return samples

    def colour(self, samples: Tensor, amounts: Tensor) -> Tensor:
        """Change brightness, saturation and contrast by `amounts` [B, 3] in [0, 1)."""
        brightness, saturation, contrast = amounts.to(samples.dtype).view(-1, 3, 1, 1, 1).unbind(1)
        colours, rest = samples[:, : self.coloured], samples[:, self.coloured :]
        colours = colours + (brightness - 0.5)
        if self.coloured == 3:
            grey = colours.mean(1, keepdim=True)
            colours = grey + (colours - grey) * (saturation * 2)
        mean = colours.mean((1, 2, 3), keepdim=True)
        colours = mean + (colours - mean) * (contrast + 0.5)
        return torch.cat([colours, rest], 1) if rest.shape[1] else colours

    def translate(self, samples: Tensor, shifts: Tensor) -> Tensor:
        """Move samples by `shifts` [B, 2] pixels down and right; zeros move in."""
        sources = self.places - shifts[:, :, None]  # [B, 2, R]
        inside = (sources >= 0) & (sources < self.resolution)
        rows, columns = sources.clamp(0, self.resolution - 1).unbind(1)
        index = (rows[:, :, None] * self.resolution + columns[:, None, :]).flatten(1)
        moved = samples.flatten(2).gather(2, index[:, None].expand(-1, samples.shape[1], -1)).view(samples.shape)
        return moved * (inside[:, 0, :, None] & inside[:, 1, None, :])[:, None]

    def cut(self, samples: Tensor, centres: Tensor) -> Tensor:
        """Make a square around `centres` [B, 2] (row, column) zeros."""
        side = int(self.resolution * _CUT + 0.5)
        offsets = self.places - (centres[:, :, None] - side // 2)  # [B, 2, R]
        hit = (offsets >= 0) & (offsets < side)
        return samples * ~(hit[:, 0, :, None] & hit[:, 1, None, :])[:, None]
