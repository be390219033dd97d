"""A strength that follows how much the discriminator overfits, as in ADA and APA."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import torch
from pydantic import AfterValidator, Field
from torch import Tensor

from ganforge.api import Augmentation, AugmentationNetwork, Number, Ramp, Tally, value_at
from ganforge.builtin.augmentations.parts.host_cached_buffer import HostCachedBuffer


def _check_probability(number: float | Ramp) -> float | Ramp:
    for end in (number.start, number.end) if isinstance(number, Ramp) else (number,):
        if not 0 <= end <= 1:
            raise ValueError(f"expected a probability, a number from 0 to 1, given {end:g}")
    return number


Probability = Annotated[Number, AfterValidator(_check_probability)]


class AdaptiveAugmentation(Augmentation):
    """An augmentation whose probability p adapts (Karras et al. 2020, arXiv:2006.06676, sec. 3).

    The overfitting heuristic r_t, the mean sign of the discriminator's logits of real samples (eq. 1), is compared with
    `target` every `interval` rounds, and p goes up or down by a step that would take it from 0 to 1 in `speed_images`
    images.
    """

    target: float = Field(default=0.6, ge=-1, le=1, description="of the mean sign of the logits of real samples, r_t")
    interval: int = Field(default=4, ge=1, le=100_000, description="rounds between adjustments of p")
    speed_images: int = Field(default=500_000, ge=1, description="images shown in which p can go from 0 to 1")
    p: Probability | None = Field(
        default=None, description="a fixed probability, or a ramp over images shown; without it, p adapts from 0"
    )


class AdaptiveAugmentationNetwork(AugmentationNetwork):
    """Keeps p.

    Args:
        recipe: how it adapts, or what it is.
        name: that its readings are logged under.
    """

    def __init__(self, recipe: AdaptiveAugmentation, name: str) -> None:
        super().__init__()
        self.adapting, self.name = recipe, name
        self.p = HostCachedBuffer(torch.tensor(0.0 if recipe.p is None else value_at(recipe.p, 0)))
        self.clock = HostCachedBuffer(
            torch.zeros(2, dtype=torch.int64)
        )  # rounds begun; images shown at the last adjustment
        self.signs = Tally()

    def begin_round(self, images: int) -> None:
        """Adjust p where an interval is over; all processes have seen the same settled signs."""
        recipe = self.adapting
        if recipe.p is not None:
            if isinstance(recipe.p, Ramp):
                self.p.write(torch.tensor(recipe.p.at(images)))
            return
        rounds, since = (int(number) for number in self.clock.values)
        if rounds > 0 and rounds % recipe.interval == 0:
            count, score = torch.stack([self.signs.count, self.signs.mean]).tolist()
            self.signs.take()
            if count > 0 and score != recipe.target:
                step = (images - since) / recipe.speed_images
                step = step if score > recipe.target else -step
                self.p.write(torch.tensor(min(max(self.p.values[0] + step, 0.0), 1.0)))
            since = images
        self.clock.write(torch.tensor([rounds + 1, since]))

    def observe(self, real_logits: Tensor) -> None:
        """Note the signs of the logits of real samples."""
        if self.adapting.p is None:
            self.signs.add(real_logits.detach().sign())

    def readings(self) -> Mapping[str, Tensor]:
        """Return p, and r_t since the last adjustment."""
        readings = {f"{self.name}/p": self.p.value.clone()}
        return readings if self.adapting.p is not None else {**readings, f"{self.name}/real_sign": self.signs.mean}
