"""Adaptive discriminator augmentation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import torch
from pydantic import AfterValidator, Field, field_validator
from torch import Tensor

from ganforge.builtin.augmentations.known import Known
from ganforge.builtin.augmentations.pipe import Change, Colour, Geometry
from ganforge.data import DataSpec
from ganforge.families import Augmentation, AugmentationNetwork
from ganforge.schedule import Number, Ramp, value_at
from ganforge.tally import Tally


def _probability(number: float | Ramp) -> float | Ramp:
    for end in (number.start, number.end) if isinstance(number, Ramp) else (number,):
        if not 0 <= end <= 1:
            raise ValueError(f"expected a probability, a number from 0 to 1, given {end:g}")
    return number


Probability = Annotated[Number, AfterValidator(_probability)]
_ALL: tuple[Change, ...] = ("blit", "geometric", "colour")


class Ada(Augmentation):
    """Adaptive discriminator augmentation, pipe `bgc` (Karras et al. 2020, arXiv:2006.06676, sec. 3 and app. B).

    Each change strikes each sample with probability p. The overfitting heuristic r_t, the mean sign of the
    discriminator's logits of real samples (eq. 1), is compared with `target` every `interval` rounds, and p goes up or
    down by a step that would take it from 0 to 1 in `speed_images` images.
    """

    kind: Literal["ada"] = "ada"
    target: float = Field(default=0.6, ge=-1, le=1, description="of the mean sign of the logits of real samples, r_t")
    interval: int = Field(default=4, ge=1, le=100_000, description="rounds between adjustments of p")
    speed_images: int = Field(default=500_000, ge=1, description="images shown in which p can go from 0 to 1")
    p: Probability | None = Field(
        default=None, description="a fixed probability, or a ramp over images shown; without it, p adapts from 0"
    )
    policy: tuple[Change, ...] = Field(
        default=_ALL, min_length=1, max_length=3, description="which changes: blit, geometric, colour"
    )
    antialias: bool = Field(
        default=True, description="warp at twice the resolution, as the paper does; without it faster and coarser"
    )

    @field_validator("policy")
    @classmethod
    def _no_twins(cls, policy: tuple[Change, ...]) -> tuple[Change, ...]:
        if len(set(policy)) < len(policy):
            raise ValueError("a family of changes is named twice; name each once")
        return policy

    def build(self, data: DataSpec) -> AugmentationNetwork:
        """Make the module; a `DataError` where the data are not square images."""
        return AdaNetwork(self, data)


class AdaNetwork(AugmentationNetwork):
    """Augments samples [B, C, R, R] with a probability that follows what the discriminator says of real ones."""

    def __init__(self, recipe: Ada, data: DataSpec) -> None:
        super().__init__()
        self.recipe = recipe
        self.p = Known(torch.tensor(0.0 if recipe.p is None else value_at(recipe.p, 0)))
        self.clock = Known(torch.zeros(2, dtype=torch.int64))  # rounds begun; images shown at the last adjustment
        self.signs = Tally()
        blit, geometric = "blit" in recipe.policy, "geometric" in recipe.policy
        self.geometry = Geometry(data.resolution, blit, geometric, recipe.antialias) if blit or geometric else None
        self.colour = Colour(data.channels) if "colour" in recipe.policy else None

    def forward(self, samples: Tensor) -> Tensor:
        """Return augmented samples; the samples themselves where p is 0."""
        if not self.p.numbers[0] > 0:
            return samples
        with torch.autocast(samples.device.type, enabled=False):  # places and filters need full precision
            images = samples.float() if samples.dtype in (torch.bfloat16, torch.float16) else samples
            if self.geometry is not None:
                images = self.geometry(images, self.p.value)
            if self.colour is not None:
                images = self.colour(images, self.p.value)
            return images.to(samples.dtype)

    def begin_round(self, images: int) -> None:
        """Adjust p where an interval is over; all processes have seen the same settled signs."""
        if self.recipe.p is not None:
            if isinstance(self.recipe.p, Ramp):
                self.p.write(torch.tensor(self.recipe.p.at(images)))
            return
        rounds, since = (int(number) for number in self.clock.numbers)
        if rounds > 0 and rounds % self.recipe.interval == 0:
            count, score = torch.stack([self.signs.count, self.signs.mean]).tolist()
            self.signs.take()
            if count > 0 and score != self.recipe.target:
                step = (images - since) / self.recipe.speed_images
                step = step if score > self.recipe.target else -step
                self.p.write(torch.tensor(min(max(self.p.numbers[0] + step, 0.0), 1.0)))
            since = images
        self.clock.write(torch.tensor([rounds + 1, since]))

    def observe(self, real_logits: Tensor) -> None:
        """Note the signs of the logits of real samples."""
        if self.recipe.p is None:
            self.signs.add(real_logits.detach().sign())

    def readings(self) -> Mapping[str, Tensor]:
        """Return p, and r_t since the last adjustment."""
        readings = {"augmentation/p": self.p.value.clone()}
        return readings if self.recipe.p is not None else {**readings, "augmentation/real_sign": self.signs.mean}
