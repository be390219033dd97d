from __future__ import annotations

import copy

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from ganforge.api.data import DataSpec
from ganforge.api.dice import Roll, roll_dice
from ganforge.api.duel import Duel
from ganforge.api.schedule import Ramp
from ganforge.builtin.augmentations.ada import Ada, AdaNetwork
from ganforge.builtin.regularizers.r1 import R1
from ganforge.errors import DataError

GREY, RGB, RGBA = (DataSpec((channels, 8, 8)) for channels in (1, 3, 4))


def build(recipe: Ada, data: DataSpec = GREY) -> AdaNetwork:
    network = recipe.build(data)
    assert isinstance(network, AdaNetwork)
    return network


def roll(network: AdaNetwork, rows: int, start: int = 0, total: int | None = None) -> None:
    roll_dice(network, Roll(0, "test", 100, start, rows, total or rows))


def play(network: AdaNetwork, rounds: int, batch: int, logit: float, images: int = 0) -> int:
    """Play rounds in which all real samples have one logit; return the images shown then."""
    for _ in range(rounds):
        network.begin_round(images)
        network.observe(torch.full((batch,), logit))
        network.signs.settle(network.signs.pending.clone())
        images += batch
    network.begin_round(images)
    return images


def strength(network: AdaNetwork) -> float:
    return float(network.readings()["augmentation/p"])


def test_nothing_is_paid_while_p_is_zero():
    network, samples = build(Ada()), torch.randn(4, 1, 8, 8)
    assert network(samples) is samples  # the dice were not even rolled


@pytest.mark.parametrize("data", [GREY, RGB, RGBA], ids=str)
@pytest.mark.parametrize("antialias", [False, True])
def test_samples_of_all_kinds_of_images_change_and_keep_their_shape(data, antialias):
    network, samples = build(Ada(p=1.0, antialias=antialias), data), torch.randn(4, *data.shape)
    roll(network, 4)
    seen = network(samples)
    assert seen.shape == samples.shape
    assert seen.dtype == samples.dtype
    assert torch.isfinite(seen).all()
    assert not torch.isclose(seen, samples).flatten(1).all(1).any()


def test_p_rises_from_0_to_1_in_the_images_of_its_speed_and_stays_there():
    network = build(Ada(speed_images=1000, interval=4))
    images = play(network, 20, 25, 1.0)  # half of the 1000 images
    assert strength(network) == pytest.approx(0.5, abs=1e-6)
    images = play(network, 28, 25, 1.0, images)
    assert strength(network) == 1.0
    play(network, 20, 25, -1.0, images)
    assert strength(network) == pytest.approx(0.5, abs=0.11)


def test_p_falls_when_the_discriminator_doubts_and_never_below_0():
    network = build(Ada(speed_images=1000))
    play(network, 8, 25, -1.0)
    assert strength(network) == 0.0


def test_p_moves_only_when_an_interval_is_over():
    network = build(Ada(speed_images=1000, interval=4))
    steps = []
    for round_ in range(9):
        network.begin_round(round_ * 10)
        steps.append(round(strength(network), 6))
        network.observe(torch.ones(10))
        network.signs.settle(network.signs.pending.clone())
    assert steps == [0.0] * 4 + [0.04] * 4 + [0.08]


@pytest.mark.parametrize(("positive", "direction"), [(79, -1), (81, 1)])
def test_the_mean_sign_is_compared_with_the_target(positive, direction):
    """79 of 100 positive logits have a mean sign of 0.58, 81 one of 0.62; the size of logits does not matter."""
    network = build(Ada(speed_images=1000, interval=1))
    network.p.write(torch.tensor(0.5))
    network.begin_round(0)
    logits = torch.cat([torch.full((positive,), 0.01), torch.full((100 - positive,), -50.0)])
    network.observe(logits)
    network.signs.settle(network.signs.pending.clone())
    assert float(network.readings()["augmentation/real_sign"]) == pytest.approx(2 * positive / 100 - 1)
    network.begin_round(100)
    assert strength(network) == pytest.approx(0.5 + direction * 0.1)


def test_two_processes_adapt_as_one():
    """What counts is what was settled: the sum over processes, whatever one of them saw."""
    whole, half = build(Ada(interval=1)), build(Ada(interval=1))
    logits = torch.cat([torch.ones(85), -torch.ones(15)])
    for network in (whole, half):
        network.begin_round(0)
    whole.observe(logits)
    whole.signs.settle(whole.signs.pending.clone())
    half.observe(logits[50:])  # its own half has a mean sign of 0.4
    other = torch.tensor([50.0, 50.0])
    half.signs.settle(half.signs.pending + other)
    for network in (whole, half):
        network.begin_round(100)
    assert strength(whole) == strength(half) > 0


def test_a_fixed_p_does_not_adapt():
    network = build(Ada(p=0.25))
    play(network, 8, 100_000, 1.0)
    assert strength(network) == 0.25


def test_p_can_follow_a_ramp():
    network = build(Ada(p=Ramp(start=0.0, end=0.6, images=1000)))
    found = []
    for images in (0, 250, 1000, 5000):
        network.begin_round(images)
        found.append(strength(network))
    assert found == pytest.approx([0.0, 0.15, 0.6, 0.6])


@pytest.mark.parametrize("p", [-0.1, 1.1, {"start": 0.0, "end": 2.0, "images": 10}])
def test_p_is_a_probability(p: object):
    with pytest.raises(ValidationError, match="from 0 to 1"):
        Ada(p=p)  # type: ignore[arg-type]


def test_a_resumed_run_goes_on_as_the_uninterrupted_one():
    network, resumed = build(Ada(speed_images=1000, interval=4)), build(Ada(speed_images=1000, interval=4))
    images = play(network, 6, 10, 1.0)
    assert resumed(torch.ones(2, 1, 8, 8)).eq(1).all()
    resumed.load_state_dict(network.state_dict())
    twin = copy.deepcopy(network)
    samples = torch.randn(8, 1, 8, 8)
    seen = []
    for played in (network, resumed, twin):
        assert strength(played) > 0
        play(played, 5, 10, 1.0, images)
        roll(played, 8)
        played.p.value.fill_(0.5)
        seen.append(played(samples))
        assert played.p.values == [0.5]
    assert torch.equal(seen[0], seen[1])
    assert torch.equal(seen[0], seen[2])
    assert torch.equal(network.clock.value, resumed.clock.value)
    assert resumed.state_dict().keys() == network.state_dict().keys()


@pytest.mark.parametrize("antialias", [False, True])
def test_a_split_batch_sees_the_same_numbers(antialias):
    network, samples = build(Ada(p=0.7, antialias=antialias), RGB), torch.randn(8, 3, 8, 8)
    roll(network, 8)
    whole = network(samples)
    halves = []
    for start in (0, 4):
        roll(network, 4, start, 8)
        halves.append(network(samples[start : start + 4]))
    torch.testing.assert_close(torch.cat(halves), whole)


def test_real_and_generated_samples_of_one_forward_are_changed_differently():
    network, samples = build(Ada(p=1.0)), torch.randn(4, 1, 8, 8)
    roll(network, 4)
    first, second = network(torch.cat([samples, samples])).chunk(2)
    assert not torch.isclose(first, second).flatten(1).all(1).any()


@pytest.mark.parametrize("antialias", [False, True])
def test_generated_samples_get_their_gradients(antialias):
    network = build(Ada(p=1.0, antialias=antialias), RGB)
    samples = torch.randn(2, 3, 8, 8, dtype=torch.float64, requires_grad=True)

    def seen(samples: Tensor) -> Tensor:
        roll(network, 2)
        return network(samples)

    direction = torch.randn_like(samples)
    (gradient,) = torch.autograd.grad(seen(samples).sin().sum(), samples)
    step = 1e-6
    with torch.no_grad():
        rise = (seen(samples + step * direction).sin().sum() - seen(samples - step * direction).sin().sum()) / (
            2 * step
        )
    assert float((gradient * direction).sum()) == pytest.approx(float(rise), rel=1e-6)


@pytest.mark.parametrize("antialias", [False, True])
def test_r1_of_augmented_samples_reaches_the_weights(antialias):
    network = build(Ada(p=1.0, antialias=antialias))
    real = torch.randn(2, 1, 8, 8, dtype=torch.float64, requires_grad=True)

    def penalty(first: Tensor, second: Tensor) -> Tensor:
        roll(network, 2)
        duel = Duel(lambda samples, labels: (network(samples).flatten(1) @ first).tanh() @ second, real, real.detach())
        return R1().penalty(duel)

    first = torch.randn(64, 3, dtype=torch.float64, requires_grad=True)
    second = torch.randn(3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(penalty, (first, second))


def test_bfloat16_costs_no_precision_of_places():
    network, samples = build(Ada(p=1.0), RGB), torch.randn(4, 3, 8, 8)
    roll(network, 4)
    exact = network(samples)
    roll(network, 4)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(network(samples), exact)
    roll(network, 4)
    low = network(samples.bfloat16())
    assert low.dtype == torch.bfloat16
    torch.testing.assert_close(low.float(), exact, atol=0.1, rtol=0.05)


@pytest.mark.parametrize("policy", [("blit",), ("geometric",), ("colour",)])
def test_each_family_alone(policy):
    network, samples = build(Ada(p=1.0, policy=policy, antialias=False), RGB), torch.randn(32, 3, 8, 8)
    roll(network, 32)
    seen = network(samples)
    assert not torch.equal(seen, samples)
    sums = torch.isclose(seen.sum((1, 2, 3)), samples.sum((1, 2, 3)), atol=1e-3)
    if policy == ("blit",):  # a blit copies pixels: with reflection, values of the result are all values of the sample
        assert set(seen.flatten().mul(1e3).round().tolist()) <= set(samples.flatten().mul(1e3).round().tolist())
    else:
        assert not sums.all()


def test_what_is_not_an_image_is_refused_in_words():
    with pytest.raises(DataError, match="square images"):
        Ada().build(DataSpec((2,)))
    with pytest.raises(ValidationError, match="named twice"):
        Ada(policy=("blit", "blit"))
