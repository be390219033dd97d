"""An average of a player's weights, of which samples are usually better than of the weights themselves."""

from __future__ import annotations

import copy
import math

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from ganforge.api.game import EmaRecipe
from ganforge.api.schedule import value_at

_WIDTH = 0.1  # of the power shape, where the recipe names none


class Ema:
    """Average of a player's weights, counted in images shown; a function of them alone, so that it resumes exactly.

    - exponential: half-lives; Karras et al. 2018 (arXiv:1710.10196), sec. 5.1; the ramp-up follows StyleGAN2-ADA
      (arXiv:2006.06676).
    - power: what is kept of t old images when b more come is (1 - b / (t + b))^(gamma + 1), so that weights of t images
      count by t^gamma; Karras et al. 2024 (arXiv:2312.02696), eq. 1 and 2.
    - uniform: the mean of all weights, which is gamma = 0; compared by Yazici et al. 2019 (arXiv:1806.04498).

    Buffers (normalisation statistics and the like) are copied.
    """

    def __init__(self, live: nn.Module, recipe: EmaRecipe) -> None:
        self.recipe = recipe
        self.average = copy.deepcopy(live).eval().requires_grad_(False)
        self._weights: tuple[list[Tensor], list[Tensor]] = list(self.average.parameters()), list(live.parameters())
        self._buffers = list(self.average.buffers()), list(live.buffers())
        self._gamma = power_exponent(recipe.width or _WIDTH) if recipe.shape == "power" else 0.0

    def decay(self, images: int, batch: int) -> float:
        """Return what is kept of the old average when `images` were shown, the last `batch` of them just now."""
        averaged = images - self.recipe.after_images
        if averaged <= 0:
            return 0.0
        if self.recipe.shape != "exponential":
            return float(max(0.0, 1 - batch / averaged) ** (self._gamma + 1))
        half_life = value_at(self.recipe.half_life_images, images)
        if self.recipe.rampup > 0:
            half_life = min(half_life, averaged * self.recipe.rampup)
        return float(0.5 ** (batch / max(half_life, 1e-8)))

    @torch.no_grad()
    def restart(self) -> None:
        """Become a copy of the live weights."""
        for targets, sources in (self._weights, self._buffers):
            for target, source in zip(targets, sources, strict=True):
                target.copy_(source)

    @torch.no_grad()
    def update(self, images: int, batch: int) -> None:
        """Take in the live weights after a round."""
        average, live = self._weights
        if average:
            get_ema_multi_avg_fn(self.decay(images, batch))(average, live, None)  # type: ignore[no-untyped-call]
        for target, source in zip(*self._buffers, strict=True):
            target.copy_(source)


def power_exponent(width: float) -> float:
    """Return the gamma whose profile t^gamma on [0, 1] has a standard deviation of `width` (eq. 3 of the same paper).

    Args:
        width: above 0, at most 0.28 (a uniform profile has 0.289).
    """
    low, high = 0.0, 1 / width  # width < 1 / gamma
    for _ in range(100):
        gamma = (low + high) / 2
        if math.sqrt((gamma + 1) / (gamma + 2) ** 2 / (gamma + 3)) > width:
            low = gamma
        else:
            high = gamma
    return gamma
