"""Optimizers: what they compute, how schedules and lazy steps change them, and what they refuse."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from ganforge.api.families import Optimizer
from ganforge.api.schedule import Ramp
from ganforge.builtin.optimizers.adam import Adam
from ganforge.builtin.optimizers.adamw import AdamW
from ganforge.builtin.optimizers.optimistic_adam import OptimisticAdam
from ganforge.builtin.optimizers.rmsprop import RmsProp
from ganforge.builtin.optimizers.sgd import Sgd

GRADIENTS = [0.5, -1.0, 0.25, 2.0]


def walk(optimizer: Optimizer, gradients: list[float], start: float = 1.0, step_fraction: float = 1.0) -> list[float]:
    """Where a weight goes under given gradients, in float64."""
    weight = nn.Parameter(torch.tensor([start], dtype=torch.float64))
    made, places = optimizer.build([weight], step_fraction), []
    for gradient in gradients:
        weight.grad = torch.tensor([gradient], dtype=torch.float64)
        optimizer.adjust(made, 0, step_fraction)
        made.step()
        places.append(weight.item())
    return places


def test_sgd_by_hand():
    """v = m v + g; plain: w -= lr v; Nesterov: w -= lr (g + m v)."""
    for nesterov in (False, True):
        expected, weight, speed = [], 1.0, 0.0
        for gradient in GRADIENTS:
            speed = 0.9 * speed + gradient
            weight -= 0.1 * (gradient + 0.9 * speed if nesterov else speed)
            expected.append(weight)
        assert walk(Sgd(lr=0.1, momentum=0.9, nesterov=nesterov), GRADIENTS) == pytest.approx(expected)


def test_rmsprop_by_hand():
    for centered in (False, True):
        expected, weight, square, mean, speed = [], 1.0, 0.0, 0.0, 0.0
        for gradient in GRADIENTS:
            square = 0.9 * square + 0.1 * gradient**2
            mean = 0.9 * mean + 0.1 * gradient
            spread = math.sqrt(square - mean**2 if centered else square)
            speed = 0.5 * speed + gradient / (spread + 1e-3)
            weight -= 0.01 * speed
            expected.append(weight)
        recipe = RmsProp(lr=0.01, alpha=0.9, eps=1e-3, momentum=0.5, centered=centered)
        assert walk(recipe, GRADIENTS) == pytest.approx(expected)


def adam_directions(gradients: list[float], first: float, second: float, eps: float) -> list[float]:
    mean, square, directions = 0.0, 0.0, []
    for step, gradient in enumerate(gradients, 1):
        mean = first * mean + (1 - first) * gradient
        square = second * square + (1 - second) * gradient**2
        directions.append(mean / (1 - first**step) / (math.sqrt(square / (1 - second**step)) + eps))
    return directions


def test_adamw_by_hand():
    expected, weight = [], 1.0
    for direction in adam_directions(GRADIENTS, 0.5, 0.9, 1e-3):
        weight -= 0.1 * 0.2 * weight
        weight -= 0.1 * direction
        expected.append(weight)
    recipe = AdamW(lr=0.1, betas=(0.5, 0.9), eps=1e-3, weight_decay=0.2)
    assert walk(recipe, GRADIENTS) == pytest.approx(expected)


@pytest.mark.parametrize(("first", "second"), [(0.5, 0.9), (0.0, 0.99)])
def test_optimistic_adam_by_hand(first: float, second: float):
    """Daskalakis et al. 2018, algorithm 1: theta_t = theta_{t-1} - 2 eta d_t + eta d_{t-1}, d_0 = 0."""
    expected, weight, last = [], 1.0, 0.0
    for direction in adam_directions(GRADIENTS, first, second, 1e-3):
        weight += -2 * 0.1 * direction + 0.1 * last
        last = direction
        expected.append(weight)
    recipe = OptimisticAdam(lr=0.1, betas=(first, second), eps=1e-3)
    assert walk(recipe, GRADIENTS) == pytest.approx(expected, rel=1e-12)


def test_optimistic_adam_leaves_weights_without_gradient_alone():
    one, two = (nn.Parameter(torch.ones(3)) for _ in range(2))
    made = OptimisticAdam(lr=0.1).build([one, two], 1.0)
    one.grad = torch.ones(3)
    assert made.step(lambda: 7.0) == 7.0
    assert torch.equal(two, torch.ones(3))
    assert not torch.equal(one, torch.ones(3))
    assert set(made.state) == {one}


def bilinear(make_optimizer: Callable[[nn.Parameter], torch.optim.Optimizer], steps: int) -> list[float]:
    """Distances from the equilibrium (0, 0) of min_x max_y xy, both players stepping at once."""
    x, y = (nn.Parameter(torch.tensor(value, dtype=torch.float64)) for value in (1.0, 0.5))
    players = [make_optimizer(x), make_optimizer(y)]
    distances = []
    for _ in range(steps):
        x.grad, y.grad = y.detach().clone(), -x.detach().clone()
        for player in players:
            player.step()
        distances.append(math.hypot(x.item(), y.item()))
    return distances


def test_on_the_bilinear_game_descent_spirals_out_and_optimism_converges():
    plain = bilinear(lambda weight: Sgd(lr=0.02).build([weight], 1.0), 2000)
    start = math.hypot(1, 0.5)
    assert plain == pytest.approx([start * (1 + 0.02**2) ** (step / 2) for step in range(1, 2001)]), "closed form"
    assert plain[-1] > 1.4 * start
    betas = (0.0, 0.9999)
    adam = bilinear(lambda weight: Adam(lr=0.05, betas=betas).build([weight], 1.0), 2000)
    optimistic = bilinear(lambda weight: OptimisticAdam(lr=0.05, betas=betas).build([weight], 1.0), 2000)
    assert adam[-1] > 2 * start, "without optimism Adam spirals out as well"
    assert optimistic[-1] < 1e-9 * start


@pytest.mark.parametrize("kind", [Adam, AdamW, OptimisticAdam])
def test_lazy_steps_correct_rate_and_betas(kind: Any):
    recipe = kind(lr=Ramp(start=1.0, end=0.0, images=100), betas=(0.5, Ramp(start=0.9, end=0.5, images=100)))
    made = recipe.build([nn.Parameter(torch.ones(2))], 0.8)
    (group,) = made.param_groups
    assert (group["lr"], *group["betas"]) == pytest.approx((0.8, 0.5**0.8, 0.9**0.8))
    recipe.adjust(made, 50, 0.8)
    assert (group["lr"], *group["betas"]) == pytest.approx((0.4, 0.5**0.8, 0.7**0.8))


def test_sgds_correction_keeps_how_far_a_gradient_moves_the_weights():
    """One gradient, then none, for as many rounds: each round has 1 / share steps."""
    step_fraction = 0.5
    free = walk(Sgd(lr=0.1, momentum=0.9), [1.0] + [0.0] * 400, start=0.0)
    lazy = walk(Sgd(lr=0.1, momentum=0.9), [1.0] + [0.0] * 800, start=0.0, step_fraction=step_fraction)
    assert (free[-1], lazy[-1]) == pytest.approx((-1.0, -1.0))
    assert free[20] == pytest.approx(lazy[41]), "after the same number of rounds"
    assert walk(Sgd(lr=0.1), [1.0], step_fraction=step_fraction) == walk(Sgd(lr=0.1), [1.0])


def test_rmsprops_correction():
    recipe = RmsProp(lr=Ramp(start=1.0, end=0.0, images=100), alpha=0.9, momentum=0.5)
    made = recipe.build([nn.Parameter(torch.ones(2))], 0.5)
    (group,) = made.param_groups
    gain = (1 - 0.5**0.5) / (1 - 0.5)
    assert (group["lr"], group["alpha"], group["momentum"]) == pytest.approx((0.5 * gain, 0.9**0.5, 0.5**0.5))
    recipe.adjust(made, 50, 0.5)
    assert group["lr"] == pytest.approx(0.25 * gain)


def test_schedules_of_momentum():
    recipe = Sgd(lr=0.1, momentum=Ramp(start=0.5, end=0.7, images=100))
    made = recipe.build([nn.Parameter(torch.ones(2))], 1.0)
    recipe.adjust(made, 50, 1.0)
    assert made.param_groups[0]["momentum"] == pytest.approx(0.6)
    assert made.param_groups[0]["lr"] == pytest.approx(0.1)


def test_nesterov_needs_momentum():
    with pytest.raises(ValidationError, match="needs momentum above 0"):
        Sgd(lr=0.1, nesterov=True)
    with pytest.raises(ValidationError, match="less than 1"):
        Sgd(lr=0.1, momentum=1.0)


def test_copies_of_a_state_are_whole():
    weight = nn.Parameter(torch.ones(2))
    made = OptimisticAdam(lr=0.1).build([weight], 1.0)
    for _ in range(3):
        weight.grad = torch.ones(2)
        made.step()
    other_weight = nn.Parameter(weight.detach().clone())
    other = OptimisticAdam(lr=0.1).build([other_weight], 1.0)
    other.load_state_dict(copy.deepcopy(made.state_dict()))
    for parameter, optimizer in ((weight, made), (other_weight, other)):
        parameter.grad = torch.full((2,), -0.3)
        optimizer.step()
    assert torch.equal(weight, other_weight)
