"""An average of a player's weights, of which samples are usually better than of the weights themselves."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from ganforge.game import EmaRecipe
from ganforge.schedule import value_at


class Ema:
    """Exponential moving average of a player's weights; the half-life is counted in images shown.

    Karras et al. 2018 (arXiv:1710.10196), sec. 5.1; the ramp-up follows StyleGAN2-ADA (arXiv:2006.06676).
    Buffers (normalisation statistics and the like) are copied.
    """

    def __init__(self, live: nn.Module, recipe: EmaRecipe) -> None:
        self.recipe = recipe
        self.average = copy.deepcopy(live).eval().requires_grad_(False)
        self._weights: tuple[list[Tensor], list[Tensor]] = list(self.average.parameters()), list(live.parameters())
        self._buffers = list(self.average.buffers()), list(live.buffers())

    def decay(self, images: int, batch: int) -> float:
        """Return what is kept of the old average when `images` were shown, the last `batch` of them just now."""
        half_life = value_at(self.recipe.half_life_images, images)
        if self.recipe.rampup > 0:
            half_life = min(half_life, images * self.recipe.rampup)
        return float(0.5 ** (batch / max(half_life, 1e-8)))

    @torch.no_grad()
    def update(self, images: int, batch: int) -> None:
        """Take in the live weights after a round."""
        average, live = self._weights
        if average:
            torch._foreach_lerp_(average, live, 1 - self.decay(images, batch))
        for target, source in zip(*self._buffers, strict=True):
            target.copy_(source)
