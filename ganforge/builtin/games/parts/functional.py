"""Players with borrowed weights, by `torch.func.functional_call`: for games that differentiate by weights."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn
from torch.func import functional_call

from ganforge.api import Duel, ScoreFunction
from ganforge.builtin.games.gan import GanGame

Weights = Mapping[str, Tensor]


def detached_weights(network: nn.Module) -> Weights:
    """Return the weights of a network as leaves of their own: gradients by them never reach the network."""
    return {name: weight.detach().requires_grad_() for name, weight in network.named_parameters()}


def discriminator_with_weights(game: GanGame, weights: Weights) -> ScoreFunction:
    """Return the game's discriminator, augmentations included, with these weights."""

    def score(samples: Tensor, labels: Tensor | None) -> Tensor:
        return functional_call(game.discriminator, dict(weights), (game.augment(samples), labels))  # type: ignore[no-any-return]

    return score


def samples_with_weights(game: GanGame, weights: Weights, latents: Tensor, labels: Tensor | None) -> Tensor:
    """Return the generator's samples with these weights."""
    return functional_call(game.generator, dict(weights), (latents, labels))  # type: ignore[no-any-return]


def duel_with_weights(game: GanGame, like: Duel, fake: Tensor, weights: Weights) -> Duel:
    """Return a duel of the same real samples and labels, judged by the discriminator with these weights."""
    return Duel(
        discriminator_with_weights(game, weights),
        like.real,
        fake,
        like.labels,
        latents=like.latents,
        generator=like.generator,
        network=like.network,
        role=like.role,
        images=like.images,
    )
