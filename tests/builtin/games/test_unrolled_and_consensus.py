"""Unrolled GAN and consensus optimisation on the Dirac-GAN (Mescheder et al. 2018, arXiv:1801.04406, def. 2.1).

The generator is one number t (its sample), the discriminator D(x) = p x, the real sample r. With the Wasserstein loss
the discriminator minimises p (t - r) and the generator -p t, so that all gradients have a closed form.
"""

from __future__ import annotations

import pytest
import torch
from support.toys import gan_table, runner_of
from torch import Tensor, nn

from ganforge.api.data import DataSpec
from ganforge.api.dice import Roll, roll_dice
from ganforge.api.network import DiscriminatorNetwork, GeneratorNetwork

T, P, R = 0.7, -0.4, 0.2
BATCH = {"image": torch.full((4, 1), R, dtype=torch.float64)}


class Point(GeneratorNetwork):
    def __init__(self) -> None:
        super().__init__()
        self.place = nn.Parameter(torch.tensor([T], dtype=torch.float64))

    def forward(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        return self.place.expand(len(latents), 1)


class Slope(DiscriminatorNetwork):
    def __init__(self) -> None:
        super().__init__()
        self.slope = nn.Parameter(torch.tensor([P], dtype=torch.float64))

    def forward(self, samples: Tensor, labels: Tensor | None = None) -> Tensor:
        return (samples * self.slope).squeeze(1)


def dirac(kind: str, **fields: float):
    table = {**gan_table(loss={"kind": "wasserstein"}), "kind": kind, **fields}
    game = runner_of(table, DataSpec((2,))).game
    game.generator, game.discriminator = Point(), Slope()
    roll_dice(game, Roll(1, "test", rows=4, total=4))
    return game


def gradient(game, terms: dict[str, Tensor], player: str) -> float:
    """By the player's weight; the other player's weights are frozen, as the runner freezes them."""
    (weight,) = game.get_submodule(player).parameters()
    (slope,) = torch.autograd.grad(sum(term.mean() for term in terms.values()), weight)
    return slope.item()


@pytest.mark.parametrize("lr", [0.1, 0.5])
@pytest.mark.parametrize("steps", [0, 1, 3])
def test_the_generator_sees_the_discriminator_to_come(steps: int, lr: float):
    """p' = p - steps lr (t - r), and the generator minimises -p' t."""
    game = dirac("unrolled", steps=steps, lr=lr)
    game.discriminator.requires_grad_(False)
    found = gradient(game, game.generator_objective([], BATCH), "generator")
    assert found == pytest.approx(-P + steps * lr * (2 * T - R), abs=1e-12)
    assert game.discriminator.slope.item() == P, "looking ahead is not stepping"


def test_the_discriminator_of_unrolled_is_the_plain_one():
    game = dirac("unrolled", steps=3)
    assert gradient(game, game.discriminator_objective([], BATCH), "discriminator") == pytest.approx(T - R)


@pytest.mark.parametrize("gamma", [1.0, 10.0])
def test_consensus_is_the_squared_norm_of_the_field(gamma: float):
    """The field is (-p, t - r): either player's term is gamma / 2 (p^2 + (t - r)^2), by its own weight."""
    game = dirac("consensus", gamma=gamma)
    game.discriminator.requires_grad_(False)
    terms = game.generator_objective([], BATCH)
    assert terms["consensus"].item() == pytest.approx(gamma / 2 * (P**2 + (T - R) ** 2))
    assert gradient(game, terms, "generator") == pytest.approx(-P + gamma * (T - R), abs=1e-12)
    game.requires_grad_(True)
    game.generator.requires_grad_(False)
    terms = game.discriminator_objective([], BATCH)
    assert gradient(game, terms, "discriminator") == pytest.approx((T - R) + gamma * P, abs=1e-12)


def test_consensus_converges_where_the_plain_game_circles():
    """Simultaneous steps on the Dirac-GAN with r = 0: the plain game moves away, consensus comes to rest at 0, 0."""
    batch = {"image": torch.zeros(4, 1, dtype=torch.float64)}
    ends = {}
    for kind, fields in (("gan", {}), ("consensus", {"gamma": 1.0})):
        game = dirac(kind, **fields)
        for _ in range(200):
            by_place = gradient(game, game.generator_objective([], batch), "generator")
            by_slope = gradient(game, game.discriminator_objective([], batch), "discriminator")
            with torch.no_grad():
                game.generator.place -= 0.1 * by_place
                game.discriminator.slope -= 0.1 * by_slope
        ends[kind] = (game.generator.place**2 + game.discriminator.slope**2).sqrt().item()
    start = (T**2 + P**2) ** 0.5
    assert ends["gan"] == pytest.approx(start * (1 + 0.1**2) ** 100), "each step turns and stretches by sqrt(1 + lr^2)"
    assert ends["consensus"] < 1e-3 * start
