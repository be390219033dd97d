"""Orthogonal regularization and feature matching against naive loops."""

from __future__ import annotations

import pytest
import torch
from support.toys import ToySource, batches, gan_table, recipe_of, runner_of
from torch import Tensor, nn

from ganforge.api.data import DataSpec
from ganforge.api.duel import Duel, Role
from ganforge.api.network import DiscriminatorNetwork, FeatureDiscriminator
from ganforge.builtin.constraints.spectral_norm import SpectralNorm
from ganforge.builtin.networks.mlp import MlpDiscriminator
from ganforge.builtin.regularizers.feature_matching import FeatureMatching
from ganforge.builtin.regularizers.orthogonal import Orthogonal
from ganforge.errors import RecipeError


class Many(DiscriminatorNetwork):
    """One layer of every kind."""

    def __init__(self) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(2, 3, 2)
        self.down = nn.Conv2d(3, 4, 2)
        self.norm = nn.BatchNorm2d(4)
        self.last = nn.Linear(4, 3)
        self.label = nn.Embedding(5, 3)
        self.embed = nn.Linear(5, 3, bias=False)
        self.start = nn.Parameter(torch.randn(4, 4))

    def forward(self, samples: Tensor, labels: Tensor | None = None) -> Tensor:
        return samples


def duel_of(network: nn.Module, role: Role = "discriminator") -> Duel:
    side = {"network": network} if role == "discriminator" else {"generator": network}
    return Duel(lambda x, labels: x, torch.zeros(2), torch.zeros(2), role=role, **side)  # type: ignore[arg-type]


def naive(filters: list[Tensor]) -> float:
    """The squared scalar products of different filters, filter by filter."""
    return sum(
        float((one.detach().flatten() @ two.detach().flatten()) ** 2)
        for i, one in enumerate(filters)
        for j, two in enumerate(filters)
        if i != j
    )


@pytest.mark.parametrize("role", ["generator", "discriminator"])
def test_orthogonal_sums_over_filters_of_all_layers(role: Role):
    network = Many().double()
    expected = (
        naive([network.up.weight[:, output] for output in range(3)])
        + naive(list(network.down.weight))
        + naive(list(network.last.weight))
    )
    found = Orthogonal(weight=0.5).penalty(duel_of(network, role))
    assert found.item() == pytest.approx(0.5 * expected, rel=1e-12)


def test_orthogonal_skips_what_it_is_told():
    network = Many().double()
    found = Orthogonal(weight=1.0, skip=("embed", "up", "last")).penalty(duel_of(network))
    assert found.item() == pytest.approx(naive(list(network.down.weight)), rel=1e-12)
    with pytest.raises(RecipeError, match="no weight of a layer"):
        Orthogonal(skip=("embed", "up", "last", "down")).penalty(duel_of(network))


def test_orthogonal_gradient_is_the_closed_one():
    """d/dW ||W W^T * (1 - I)||^2 = 4 (W W^T * (1 - I)) W, with filters as rows."""
    network = Many().double()
    Orthogonal(weight=1.0, skip=("embed", "up", "down")).penalty(duel_of(network)).backward()
    weight = network.last.weight.detach()
    torch.testing.assert_close(network.last.weight.grad, 4 * (weight @ weight.T * (1 - torch.eye(3))) @ weight)


def test_orthogonal_filters_cost_nothing_whatever_their_norms():
    network = Many().double()
    with torch.no_grad():
        network.last.weight.copy_(torch.diag(torch.tensor([1.0, 20.0, 0.1, 3.0]))[:3])
    assert Orthogonal(skip=("embed", "up", "down")).penalty(duel_of(network)).item() == 0


def test_orthogonal_of_normalised_weights_is_about_what_is_learned():
    network = Many().double()
    before = Orthogonal(weight=1.0).penalty(duel_of(network)).item()
    SpectralNorm().attach(network.up)
    SpectralNorm().attach(network.last)
    assert Orthogonal(weight=1.0).penalty(duel_of(network)).item() == pytest.approx(before, rel=1e-12)


def test_orthogonal_is_for_either_player():
    table = gan_table(generator__regularizers=["orthogonal"], discriminator__regularizers=["orthogonal"])
    runner = runner_of(table, DataSpec((1, 8, 8)))
    (batch,) = batches(runner, ToySource(DataSpec((1, 8, 8))), 1)
    report = runner.play_round(batch)
    assert report["generator/orthogonal"] > 0
    assert report["discriminator/orthogonal"] > 0


class Two(FeatureDiscriminator):
    """Shows two activations."""

    width = 3

    def forward_features(self, samples: Tensor, labels: Tensor | None = None) -> tuple[Tensor, list[Tensor]]:
        first = torch.stack([samples, samples.square()], 1)  # [B, 2, 2]
        return samples.sum(1), [first, torch.cat([samples, samples.prod(1, keepdim=True)], 1)]


def points(seed: int) -> Tensor:
    return torch.randn(12, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)).requires_grad_()


def matched(recipe: FeatureMatching, real: Tensor, fake: Tensor) -> Tensor:
    seer = Two()
    duel = Duel(seer, real, fake, features=lambda x, labels: seer.forward_features(x, labels)[1], role="generator")
    return recipe.penalty(duel)


@pytest.mark.parametrize(("group", "size"), [(4, 4), (0, 12), (32, 12), (5, 4), (1, 1)])
@pytest.mark.parametrize("layer", [1, 2])
def test_feature_matching(group: int, size: int, layer: int):
    real, fake = points(0), points(1)
    found = matched(FeatureMatching(weight=2.0, group=group, layer=layer), real, fake)
    expected = []
    for start in range(0, 12, size):
        means = []
        for samples in (real, fake):
            rows = [Two().forward_features(samples[i : i + 1])[1][-layer].flatten() for i in range(start, start + size)]
            means.append(sum(rows) / size)
        expected.append(2 * ((means[1] - means[0]) ** 2).mean())
    torch.testing.assert_close(found, torch.stack(expected))
    (slope,) = torch.autograd.grad(found.sum(), fake, retain_graph=True)
    assert slope.abs().sum() > 0
    assert not torch.autograd.grad(found.sum(), real, allow_unused=True)[0], "real samples are what is aimed at"


def test_feature_matching_does_not_depend_on_how_whole_groups_are_shared_out():
    recipe, real, fake = FeatureMatching(group=3), points(0), points(1)
    parts = [matched(recipe, real[half], fake[half]) for half in (slice(0, 6), slice(6, 12))]
    torch.testing.assert_close(torch.cat(parts).mean(), matched(recipe, real, fake).mean())


def test_feature_matching_says_what_it_needs():
    with pytest.raises(RecipeError, match="set layer to 2 or less"):
        matched(FeatureMatching(layer=3), points(0), points(1))

    class Blind(DiscriminatorNetwork):
        def forward(self, samples: Tensor, labels: Tensor | None = None) -> Tensor:
            return samples.flatten(1).sum(1)

    class BlindRecipe(MlpDiscriminator):
        def build(self, data: DataSpec) -> Blind:  # type: ignore[override]
            return Blind()

    component = recipe_of(gan_table(generator__regularizers=["feature-matching"])).game
    player = component.discriminator.model_copy(update={"network": BlindRecipe()})
    with pytest.raises(RecipeError, match=r"needs a FeatureDiscriminator, and game.discriminator.network is a Blind"):
        component.model_copy(update={"discriminator": player}).build(DataSpec((2,)))
