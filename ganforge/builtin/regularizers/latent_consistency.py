"""Latent consistency regularization, of either player."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from ganforge.api import DataSpec, Dice, Duel, PositiveNumber, RecipeError, Regularizer, Role, all_dice, value_at

_STD = Field(default=0.03, description="standard deviation of what is added to a latent, the paper's sigma_noise")


class LatentConsistency(Regularizer):
    """Latent consistency of the discriminator, zCR (Zhao et al. 2020, arXiv:2002.04724, sec. 3.2).

    weight (D(G(z)) - D(G(z + d)))^2 with normal d: neighbours among generated samples score alike. Its other half is
    the generator's `latent-diversity`. Whatever else the generator draws at random is the same for both.
    """

    kind: Literal["latent-consistency"] = "latent-consistency"
    weight: PositiveNumber = Field(default=5.0, description="the paper's lambda_dis")
    std: PositiveNumber = _STD

    def build(self, data: DataSpec) -> nn.Module:
        """Make the module, which moves latents."""
        return _LatentConsistencyPenalty(self)

    def penalty(self, duel: Duel) -> Tensor:
        """Refuse: latents are perturbed by the module that `build` makes."""
        raise RuntimeError("latent-consistency draws numbers: call the module that build(data) makes")


class LatentDiversity(Regularizer):
    """Latent diversity of the generator, zCR (Zhao et al. 2020, arXiv:2002.04724, sec. 3.2).

    -weight ||G(z) - G(z + d)||^2 with normal d, the mean over the numbers of a sample: a step in latents must be seen.
    Its other half is the discriminator's `latent-consistency`.
    """

    kind: Literal["latent-diversity"] = "latent-diversity"
    player: ClassVar[Role] = "generator"
    weight: PositiveNumber = Field(default=0.5, description="the paper's lambda_gen")
    std: PositiveNumber = _STD

    def build(self, data: DataSpec) -> nn.Module:
        """Make the module, which moves latents."""
        return _LatentDiversityPenalty(self)

    def penalty(self, duel: Duel) -> Tensor:
        """Refuse: latents are perturbed by the module that `build` makes."""
        raise RuntimeError("latent-diversity draws numbers: call the module that build(data) makes")


class _LatentPerturbation(nn.Module):
    def __init__(self, recipe: LatentConsistency | LatentDiversity) -> None:
        super().__init__()
        self.recipe, self.dice = recipe, Dice()

    def perturbed_samples(self, duel: Duel) -> Tensor:
        """Return the samples [B, *shape] of latents a little aside; those of the duel are made first."""
        latents, generator, fake = duel.latents, duel.generator, duel.fake
        if latents is None:
            raise RecipeError(
                f"'{self.recipe.kind}' wants the latents of the generated samples, which an augmentation exchanged; "
                "leave one of the two out, or set every = 2: in a turn of its own nothing is exchanged"
            )
        assert generator is not None, "it wants the generator itself"
        step = self.dice.normal(*latents.shape) * value_at(self.recipe.std, duel.images)
        with _same_draws(generator):
            perturbed: Tensor = generator(latents + step.to(latents.dtype), duel.labels)
        assert perturbed.shape == fake.shape
        return perturbed


class _LatentConsistencyPenalty(_LatentPerturbation):
    def forward(self, duel: Duel) -> Tensor:
        """Return the penalty [B], or as the logits."""
        with torch.no_grad():
            perturbed = self.perturbed_samples(duel)
        difference = duel.fake_logits - duel.discriminator(perturbed, duel.labels)
        return value_at(self.recipe.weight, duel.images) * difference.square()


class _LatentDiversityPenalty(_LatentPerturbation):
    def forward(self, duel: Duel) -> Tensor:
        """Return the penalty [B]."""
        difference = self.perturbed_samples(duel) - duel.fake
        return -value_at(self.recipe.weight, duel.images) * difference.flatten(1).square().mean(1)


@contextmanager
def _same_draws(network: nn.Module) -> Iterator[None]:
    """Let a network draw what it drew in its first forward since the dice were rolled: noise, styles that are mixed."""
    dice: list[Dice] = [die for _, die in all_dice(network)]
    calls = [die.calls for die in dice]
    for die in dice:
        die.calls = 0
    yield
    for die, before in zip(dice, calls, strict=True):
        die.calls = max(die.calls, before)
