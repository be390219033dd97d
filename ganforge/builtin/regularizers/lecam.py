"""LeCam regularization."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from ganforge.api import DataSpec, Duel, PositiveNumber, Regularizer, Tally, value_at


class LeCam(Regularizer):
    """LeCam regularization for few data (Tseng et al. 2021, arXiv:2104.03310).

    weight [(D(x) - a_F)^2 + (D(G(z)) - a_R)^2], where the anchors a_R and a_F are moving averages of the
    discriminator's logits of real and of generated samples: each side is drawn to where the other was. The authors'
    code (google/lecam-gan) goes beyond that formula: it counts only what D(x) exceeds a_F by, and what D(G(z)) falls
    short of a_R by. The right weight depends on the loss: theirs is 0.3 for BigGAN with the hinge loss on CIFAR, after
    1,000 steps without and with a decay of 0.9, and 3e-7 (FFHQ) or 1e-6 (CIFAR) for StyleGAN2, with a decay of 0.99.
    """

    kind: Literal["lecam"] = "lecam"
    weight: PositiveNumber = Field(default=0.3, description="the paper's lambda; for StyleGAN2 3e-7")
    decay: float = Field(default=0.99, ge=0, lt=1, description="share of the old in the anchors, by turn")
    after_images: int = Field(default=0, ge=0, description="images shown before it counts; the anchors follow anyway")

    def build(self, data: DataSpec) -> nn.Module:
        """Make the module (duel) -> penalty, which keeps the anchors."""
        return LeCamPenalty(self)

    def penalty(self, duel: Duel) -> Tensor:
        """Refuse: the anchors are kept by the module that `build` makes."""
        raise RuntimeError("lecam keeps anchors: call the module that build(data) makes")


class LeCamPenalty(nn.Module):
    """The penalty and its anchors, which are those of the turns before: equal on all processes and in micro-batches.

    In the first turn, when there are none yet, the penalty is 0.
    """

    anchors: Tensor
    begun: Tensor

    def __init__(self, recipe: LeCam) -> None:
        super().__init__()
        self.recipe, self.seen = recipe, Tally(2)
        self.register_buffer("anchors", torch.zeros(2))  # mean logits: real, generated
        self.register_buffer("begun", torch.zeros([]))  # 1 as soon as there are anchors

    def forward(self, duel: Duel) -> Tensor:
        """Return the penalty [B], or as the logits, weight included."""
        real, fake = duel.real_logits, duel.fake_logits
        self._update_anchors()
        self.seen.add(torch.stack([real.detach().flatten(), fake.detach().flatten()], 1))
        counts = duel.images >= self.recipe.after_images
        weight = self.begun * (value_at(self.recipe.weight, duel.images) if counts else 0.0)
        of_real, of_fake = self.anchors.clone().to(real.dtype)
        penalty: Tensor = (real - of_fake).square() + (fake - of_real).square()
        return penalty * weight.to(real.dtype)

    @torch.no_grad()
    def _update_anchors(self) -> None:
        """Move the anchors towards what was seen up to the last turn: at first all the way, then by 1 - `decay`."""
        new = self.seen.count.clamp(max=1.0)  # 0 where nothing was settled since
        step = torch.where(self.begun > 0, 1 - self.recipe.decay, 1.0) * new
        self.anchors.lerp_(self.seen.take(), step)
        self.begun.copy_(torch.maximum(self.begun, new))
