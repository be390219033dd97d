from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from ganforge.api.data import DataSpec
from ganforge.api.dice import Roll, roll_dice
from ganforge.api.duel import Duel
from ganforge.builtin.regularizers.gradient_penalty import GradientPenalty
from ganforge.builtin.regularizers.r1 import R1
from ganforge.builtin.regularizers.r2 import R2

SLOPE = torch.tensor([3.0, -4.0], dtype=torch.float64)
SPEC = DataSpec((2,))


def points(rows: int, seed: int, leaf: bool = True) -> Tensor:
    draw = torch.randn(rows, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    return draw.requires_grad_(leaf)


def linear(samples: Tensor, labels: Tensor | None) -> Tensor:
    return samples @ SLOPE


def quadratic(samples: Tensor, labels: Tensor | None) -> Tensor:  # gradient: the sample itself
    return samples.square().sum(1) / 2


@pytest.mark.parametrize("regularizer", [R1(gamma=0.5), R2(gamma=0.5)], ids=lambda r: r.kind)
def test_of_a_linear_critic_is_half_gamma_times_the_squared_slope(regularizer):
    penalty = regularizer.penalty(Duel(linear, points(4, 0), points(4, 1)))
    torch.testing.assert_close(penalty, torch.full((4,), 0.25 * 25.0, dtype=torch.float64))


def test_r1_looks_at_real_and_r2_at_generated_samples():
    real, fake = points(4, 0), points(4, 1)
    for regularizer, looked_at in ((R1(gamma=3.0), real), (R2(gamma=3.0), fake)):
        assert regularizer.input_gradients
        penalty = regularizer.penalty(Duel(quadratic, real, fake))
        torch.testing.assert_close(penalty, 1.5 * looked_at.detach().square().sum(1))


@pytest.mark.parametrize("joint", [False, True])
@pytest.mark.parametrize("regularizer", [R1(), R2()], ids=lambda r: r.kind)
def test_one_forward_for_both_changes_nothing(regularizer, joint):
    real, fake = points(4, 0), points(4, 1)
    penalty = regularizer.penalty(Duel(quadratic, real, fake, joint=joint))
    looked_at = real if regularizer.kind == "r1" else fake
    torch.testing.assert_close(penalty, 5 * looked_at.detach().square().sum(1))


def test_patch_logits_are_summed():
    def patches(samples: Tensor, labels: Tensor | None) -> Tensor:
        return samples[:, :, None] * torch.ones(3, dtype=torch.float64)

    penalty = R1(gamma=2.0).penalty(Duel(patches, points(4, 0), points(4, 1)))
    torch.testing.assert_close(penalty, torch.full((4,), 2 * 3.0**2, dtype=torch.float64))


def test_gradient_penalty_of_a_linear_critic():
    module = GradientPenalty(weight=2.0, target=1.0).build(SPEC)
    roll_dice(module, Roll(0, "test", rows=4, total=4))
    penalty = module(Duel(linear, points(4, 0, leaf=False), points(4, 1, leaf=False)))
    torch.testing.assert_close(penalty, torch.full((4,), 2 * (5 - 1) ** 2, dtype=torch.float64))


def test_gradient_penalty_is_taken_between_the_samples():
    seen: list[Tensor] = []

    def critic(samples: Tensor, labels: Tensor | None) -> Tensor:
        seen.append(samples)
        return quadratic(samples, labels)

    real, fake = points(64, 0, leaf=False), points(64, 1, leaf=False)
    module = GradientPenalty().build(SPEC)
    roll_dice(module, Roll(0, "test", rows=64, total=64))
    penalty = module(Duel(critic, real, fake))
    samples = seen[0].detach()
    place = (samples - real)[:, 0] / (fake - real)[:, 0]
    torch.testing.assert_close((samples - real)[:, 1] / (fake - real)[:, 1], place)
    assert place.min() > 0
    assert place.max() < 1
    assert len(place.unique()) == 64
    assert abs(float(place.mean()) - 0.5) < 4 * (1 / 12 / 64) ** 0.5  # uniform: 4 standard errors
    torch.testing.assert_close(penalty, 10 * (samples.norm(dim=1) - 1) ** 2)


def test_gradient_penalty_is_finite_where_the_critic_is_flat():
    weight = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    penalty = GradientPenalty().penalty_at(
        Duel(lambda samples, labels: samples @ weight, points(3, 0), points(3, 1)), torch.rand(3)
    )
    torch.testing.assert_close(penalty, torch.full((3,), 10.0, dtype=torch.float64))
    (gradient,) = torch.autograd.grad(penalty.sum(), weight)
    assert torch.isfinite(gradient).all()


def test_gradient_penalty_draws_the_same_for_a_split_batch():
    real, fake = points(8, 0, leaf=False), points(8, 1, leaf=False)
    module = GradientPenalty().build(SPEC)

    def penalty(start: int, rows: int) -> Tensor:
        roll_dice(module, Roll(3, "test", start=start, rows=rows, total=8))
        return module(Duel(quadratic, real[start : start + rows], fake[start : start + rows]))

    torch.testing.assert_close(torch.cat([penalty(0, 4), penalty(4, 4)]), penalty(0, 8))


@pytest.mark.parametrize("kind", ["r1", "r2", "gradient-penalty"])
def test_weights_feel_the_penalty_as_finite_differences_say(kind):
    real, fake, places = points(3, 0), points(3, 1), torch.tensor([0.2, 0.5, 0.9])

    def of_weights(first: Tensor, second: Tensor) -> Tensor:
        duel = Duel(lambda samples, labels: (samples @ first).tanh() @ second, real, fake)
        if kind == "gradient-penalty":
            return GradientPenalty().penalty_at(duel, places)
        return (R1() if kind == "r1" else R2()).penalty(duel)

    generator = torch.Generator().manual_seed(2)
    first = torch.randn(2, 5, dtype=torch.float64, generator=generator).requires_grad_()
    second = torch.randn(5, dtype=torch.float64, generator=generator).requires_grad_()
    assert torch.autograd.gradcheck(of_weights, (first, second))


def test_labels_reach_the_critic():
    table = nn.Embedding(3, 2).double()
    labels = torch.tensor([0, 1, 2])

    def critic(samples: Tensor, labels: Tensor | None) -> Tensor:
        assert labels is not None
        return (samples * table(labels)).sum(1)

    expected = table.weight.detach().square().sum(1)
    duel = Duel(critic, points(3, 0), points(3, 1), labels)
    torch.testing.assert_close(R1(gamma=2.0).penalty(duel).detach(), expected)
    torch.testing.assert_close(R2(gamma=2.0).penalty(duel).detach(), expected)
    penalty = GradientPenalty(weight=1.0, target=0.0).penalty_at(duel, torch.rand(3)).detach()
    torch.testing.assert_close(penalty, expected)
