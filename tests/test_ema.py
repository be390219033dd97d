"""The average of weights, against its closed form."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from ganforge.ema import Ema
from ganforge.game import EmaRecipe


def live(value: float = 0.0) -> nn.Module:
    network = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)).double()
    for parameter in network.parameters():
        nn.init.constant_(parameter, value)
    return network


def test_after_a_half_life_half_of_the_old_is_left():
    network = live(0.0)
    ema = Ema(network, EmaRecipe(half_life_images=80, rampup=0))
    for parameter in network.parameters():
        nn.init.constant_(parameter, 1.0)
    for step in range(1, 31):
        ema.update(step * 8, 8)
        for parameter in ema.average.parameters():
            torch.testing.assert_close(parameter, torch.full_like(parameter, 1 - 0.5 ** (step * 8 / 80)))


@pytest.mark.parametrize("batch", [1, 5, 100])
def test_the_half_life_does_not_depend_on_the_batch(batch: int):
    ema = Ema(live(), EmaRecipe(half_life_images=1000, rampup=0))
    assert ema.decay(10**6, batch) ** (1000 / batch) == pytest.approx(0.5)


def test_rampup():
    """The half-life is a share of the images shown until it reaches its own."""
    ema = Ema(live(), EmaRecipe(half_life_images=1000, rampup=0.05))
    assert ema.decay(200, 10) == pytest.approx(0.5 ** (10 / 10))
    assert ema.decay(2000, 10) == pytest.approx(0.5 ** (10 / 100))
    assert ema.decay(20_000, 10) == ema.decay(10**9, 10) == pytest.approx(0.5 ** (10 / 1000))
    assert ema.decay(0, 10) == 0, "the first update forgets the random start"


def test_buffers_are_copied_and_nothing_is_trained():
    network = live()
    ema = Ema(network, EmaRecipe())
    network[1].running_mean += 3
    network[1].num_batches_tracked += 1
    ema.update(8, 8)
    assert torch.equal(ema.average[1].running_mean, network[1].running_mean)
    assert ema.average[1].num_batches_tracked == 1
    assert not any(parameter.requires_grad for parameter in ema.average.parameters())
    assert not ema.average.training
    assert network.training


def test_a_network_without_weights():
    Ema(nn.Identity(), EmaRecipe()).update(8, 8)
