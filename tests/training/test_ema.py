"""The average of weights, against its closed form."""

from __future__ import annotations

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from ganforge.api.game import EmaRecipe
from ganforge.api.schedule import Ramp
from ganforge.training.ema import Ema, power_exponent


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


def averages(recipe: EmaRecipe, values: list[float], batch: int = 8) -> list[float]:
    """The average of a weight that has the given values after each round."""
    network = live(0.0)
    ema, found = Ema(network, recipe), []
    for round_, value in enumerate(values, 1):
        for parameter in network.parameters():
            nn.init.constant_(parameter, value)
        ema.update(round_ * batch, batch)
        found.append(next(ema.average.parameters()).flatten()[0].item())
    return found


VALUES = [3.0, -1.0, 0.5, 2.0, 8.0, -4.0, 0.25]


@pytest.mark.parametrize("skipped", [0, 1, 3])
def test_the_uniform_shape_is_the_mean_of_all_weights_since_it_began(skipped: int):
    found = averages(EmaRecipe(shape="uniform", after_images=8 * skipped), VALUES)
    assert found[:skipped] == VALUES[:skipped], "copies"
    later = VALUES[skipped:]
    assert found[skipped:] == pytest.approx([sum(later[: k + 1]) / (k + 1) for k in range(len(later))])


@pytest.mark.parametrize(("width", "gamma"), [(0.05, 16.97), (0.10, 6.94)])
def test_the_exponents_that_the_paper_names(width: float, gamma: float):
    """Karras et al. 2024, arXiv:2312.02696, sec. 3.1: widths of 5 % and 10 % are gamma of 16.97 and 6.94."""
    assert power_exponent(width) == pytest.approx(gamma, abs=5e-3)


@pytest.mark.parametrize("width", [0.02, 0.1, 0.28])
def test_the_power_shape_has_the_width_that_was_asked_for(width: float):
    """Its profile is what each round's weights count for; it is fixed relative to all training."""
    rounds = 4000
    ema = Ema(live(), EmaRecipe(shape="power", width=width))
    profile, kept = [], 1.0
    for round_ in range(rounds, 0, -1):
        decay = ema.decay(round_ * 8, 8)
        profile.append(kept * (1 - decay))
        kept *= decay
    times = (torch.arange(rounds, 0, -1, dtype=torch.float64) - 0.5) / rounds
    weights = torch.tensor(profile, dtype=torch.float64)
    assert weights.sum() == pytest.approx(1)
    mean = (weights * times).sum()
    assert ((weights * (times - mean) ** 2).sum()).sqrt() == pytest.approx(width, rel=2e-3)
    gamma = power_exponent(width)
    assert mean == pytest.approx((gamma + 1) / (gamma + 2), rel=1e-3), "its centre, from the integral of t^gamma"


def test_the_power_shape_by_hand_and_its_default():
    expected = [VALUES[0]]
    for step, value in enumerate(VALUES[1:], 2):
        kept = (1 - 1 / step) ** (power_exponent(0.1) + 1)
        expected.append(kept * expected[-1] + (1 - kept) * value)
    assert averages(EmaRecipe(shape="power"), VALUES) == pytest.approx(expected)
    assert averages(EmaRecipe(shape="power", width=0.1), VALUES) == pytest.approx(expected)


@pytest.mark.parametrize("shape", ["exponential", "power", "uniform"])
def test_nothing_is_averaged_before_its_beginning(shape: str):
    recipe = EmaRecipe.model_validate({"shape": shape, "after_images": 20, "rampup": 0})
    found = averages(recipe, VALUES)
    assert found[:2] == VALUES[:2]
    assert found[3] not in VALUES
    if shape == "exponential":
        ema = Ema(live(), EmaRecipe(half_life_images=1000, rampup=0.05, after_images=1000))
        assert ema.decay(1200, 10) == pytest.approx(0.5 ** (10 / 10)), "ramped up from its beginning"


def test_a_half_life_can_be_scheduled():
    ema = Ema(live(), EmaRecipe(half_life_images=Ramp(start=100, end=300, images=1000), rampup=0))
    assert ema.decay(500, 10) == pytest.approx(0.5 ** (10 / 200))


def test_a_restart_copies():
    network = live(1.0)
    ema = Ema(network, EmaRecipe())
    for parameter in network.parameters():
        nn.init.constant_(parameter, 7.0)
    network[1].running_mean += 3
    ema.restart()
    for name, value in ema.average.state_dict().items():
        assert torch.equal(value, network.state_dict()[name])


def test_a_width_is_of_the_power_shape():
    with pytest.raises(ValidationError, match="width is of the power shape"):
        EmaRecipe(width=0.1)


def test_a_network_without_weights():
    Ema(nn.Identity(), EmaRecipe()).update(8, 8)
