"""Path length: equal steps in style space should change the image equally much."""

from __future__ import annotations

import math
from typing import ClassVar, Literal

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from ganforge.api import DataSpec, Dice, Duel, PositiveNumber, Regularizer, Role, StyleGenerator, Tally, value_at
from ganforge.builtin.regularizers.parts.input_gradient import input_gradient


class PathLength(Regularizer):
    """Path length regularization (Karras et al. 2020, arXiv:1912.04958, eq. 4 and app. B)."""

    kind: Literal["path-length"] = "path-length"
    player: ClassVar[Role] = "generator"
    needs: ClassVar[type[nn.Module]] = StyleGenerator

    every: PositiveInt = Field(default=4, description="rounds between applications; more than 1 = lazy")
    weight: PositiveNumber = Field(default=2.0, description="factor of the penalty")
    decay: float = Field(default=0.01, gt=0, le=1, description="share of the new in the running mean length, by turn")
    batch_shrink: PositiveInt = Field(
        default=2, le=65_536, description="of how many samples one is looked at, to save memory"
    )

    def penalty(self, duel: Duel) -> Tensor:
        """Refuse: the running mean is kept by the module that `build` makes."""
        raise RuntimeError("path-length keeps a running mean: call the module that build(data) makes")

    def build(self, data: DataSpec) -> nn.Module:
        """Make the module (duel) -> penalty, which keeps the running mean length."""
        return PathLengthPenalty(self)


class PathLengthPenalty(nn.Module):
    """(|J^T y| - a)^2 with y ~ N(0, 1), drawn anew, and the running mean length a.

    The mean is that of the turns before, so that all processes and micro-batches of a turn aim at the same length. The
    first turn, when there is none yet, only measures: its penalty is 0.
    """

    mean: Tensor
    begun: Tensor

    def __init__(self, recipe: PathLength) -> None:
        super().__init__()
        self.weight, self.decay, self.shrink = recipe.weight, recipe.decay, recipe.batch_shrink
        self.register_buffer("mean", torch.zeros([]))
        self.register_buffer("begun", torch.zeros([]))  # 1 as soon as there is a mean
        self.seen, self.dice = Tally(), Dice()

    def forward(self, duel: Duel) -> Tensor:
        """Return the penalty [B / batch_shrink], weight included."""
        generator, latents, labels = duel.generator, duel.latents, duel.labels
        assert isinstance(generator, StyleGenerator), "it is for generators with a style space"
        assert latents is not None, "it wants the latents of the generated samples"
        shrink = self.shrink if len(latents) % self.shrink == 0 else 1
        styles = generator.styles(latents[::shrink], None if labels is None else labels[::shrink])
        lengths = self.lengths(generator, styles)
        self._update_mean_length()
        aim = torch.lerp(lengths.detach(), self.mean, self.begun)
        self.seen.add(lengths)
        return value_at(self.weight, duel.images) * (lengths - aim).square()

    def lengths(self, generator: StyleGenerator, styles: Tensor) -> Tensor:
        """Return |J^T y| [B]: how far images move along y for a step of styles [B, layers, W], mean over layers."""
        images = generator.synthesize(styles)
        direction = self.dice.normal(len(images), *images.shape[1:]) / math.sqrt(images.shape[2] * images.shape[3])
        gradient = input_gradient(images * direction, styles)
        return gradient.float().square().sum(2).mean(1).sqrt()

    @torch.no_grad()
    def _update_mean_length(self) -> None:
        """Move the mean towards what was seen up to the last turn: at first all the way, then by `decay`."""
        new = self.seen.count.clamp(max=1.0)  # 0 where nothing was settled since
        step = torch.where(self.begun > 0, self.decay, 1.0) * new
        self.mean.lerp_(self.seen.take(), step)
        self.begun.copy_(torch.maximum(self.begun, new))
