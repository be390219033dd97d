"""LeCam and DRAGAN against closed forms."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from ganforge.api.data import DataSpec
from ganforge.api.dice import Dice, Roll, roll_dice
from ganforge.api.duel import Duel
from ganforge.builtin.regularizers.dragan import Dragan
from ganforge.builtin.regularizers.lecam import LeCam, LeCamPenalty

SPEC = DataSpec((2,))


def identity(samples: Tensor, labels: Tensor | None) -> Tensor:
    return samples


def lecam(**fields: object) -> LeCamPenalty:
    built = LeCam(**fields).build(SPEC)  # type: ignore[arg-type]
    assert isinstance(built, LeCamPenalty)
    return built


def logits(seed: int) -> Tensor:
    return torch.randn(8, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)).requires_grad_()


def take(module: LeCamPenalty, real: Tensor, fake: Tensor, parts: int = 1, images: int = 0) -> Tensor:
    """One turn: the penalty of all parts, settled as the runner does."""
    pieces = zip(real.chunk(parts), fake.chunk(parts), strict=True)
    found = torch.cat([module(Duel(identity, a, b, images=images)) for a, b in pieces])
    module.seen.settle(module.seen.pending.clone())
    return found


def test_lecam_draws_each_side_to_the_other_sides_moving_average():
    module, anchors = lecam(weight=0.7, decay=0.9), None
    for turn in range(4):
        real, fake = logits(2 * turn), logits(2 * turn + 1)
        found = take(module, real, fake)
        if anchors is None:
            assert (found == 0).all(), "there is no anchor yet"
            anchors = [real.mean().item(), fake.mean().item()]
            continue
        expected = 0.7 * ((real - anchors[1]) ** 2 + (fake - anchors[0]) ** 2)
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)
        new = (real.mean().item(), fake.mean().item())
        anchors = [0.9 * old + 0.1 * now for old, now in zip(anchors, new, strict=True)]


def test_lecam_gradient():
    module = lecam(weight=0.5)
    take(module, logits(0), logits(1))
    real, fake = logits(2), logits(3)
    take(module, real, fake).sum().backward()
    torch.testing.assert_close(real.grad, real.detach() - logits(1).mean().item(), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(fake.grad, fake.detach() - logits(0).mean().item(), rtol=1e-5, atol=1e-6)


def test_lecam_is_the_same_in_parts():
    whole, split = lecam(), lecam()
    for turn in range(3):
        real, fake = logits(2 * turn), logits(2 * turn + 1)
        torch.testing.assert_close(take(whole, real, fake), take(split, real, fake, parts=4))


def test_lecam_counts_from_the_images_it_was_told():
    module = lecam(after_images=100)
    take(module, logits(0), logits(1))
    assert (take(module, logits(2), logits(3), images=99) == 0).all()
    assert (take(module, logits(2), logits(3), images=100) > 0).all()


def test_lecam_takes_patches():
    module = lecam(weight=1.0)
    patches = torch.full((2, 3, 3), 2.0)
    take(module, patches, -patches)
    torch.testing.assert_close(take(module, patches, -patches), torch.full((2, 3, 3), 2 * 4.0**2))


SLOPE = torch.tensor([3.0, -4.0], dtype=torch.float64)


def test_dragan_of_a_linear_critic():
    module = Dragan(weight=2.0).build(SPEC)
    roll_dice(module, Roll(0, "test", rows=4, total=4))
    points = torch.randn(4, 2, dtype=torch.float64)
    penalty = module(Duel(lambda samples, labels: samples @ SLOPE, points, points))
    torch.testing.assert_close(penalty, torch.full((4,), 2 * (5 - 1) ** 2, dtype=torch.float64))


def test_dragan_looks_around_real_samples_and_makes_no_others():
    def critic(samples: Tensor, labels: Tensor | None) -> Tensor:  # gradient: the sample itself
        return samples.square().sum(1) / 2

    def never() -> Tensor:
        raise AssertionError("generated samples are not needed")

    points = torch.randn(64, 2, dtype=torch.float64)
    module, roll = Dragan(std=0.5, weight=3.0, target=0.2).build(SPEC), Roll(0, "test", rows=64, total=64)
    roll_dice(module, roll)
    dice = Dice()
    dice.set_roll("dice", roll)
    moved = points + 0.5 * dice.normal(64, 2)
    found = module(Duel(critic, points, never))
    torch.testing.assert_close(found, 3 * (moved.norm(dim=1) - 0.2) ** 2)
    spread = (moved - points).std().item()
    assert spread == pytest.approx(0.5, abs=5 * 0.5 / (2 * 128) ** 0.5), "five standard errors of a deviation"


def test_dragan_noise_may_fade():
    seen: list[Tensor] = []

    def critic(samples: Tensor, labels: Tensor | None) -> Tensor:
        seen.append(samples)
        return samples.sum(1)

    module = Dragan(std={"start": 1.0, "end": 0.0, "images": 100}).build(SPEC)
    roll_dice(module, Roll(0, "test", rows=4, total=4))
    points = torch.randn(4, 2)
    module(Duel(critic, points, points, images=100))
    assert torch.equal(seen[0], points)


def test_weights_feel_dragan_as_finite_differences_say():
    generator = torch.Generator().manual_seed(2)
    points, noise = (torch.randn(3, 2, dtype=torch.float64, generator=generator) for _ in range(2))

    def of_weights(first: Tensor, second: Tensor) -> Tensor:
        return Dragan().penalty_at(
            Duel(lambda samples, labels: (samples @ first).tanh() @ second, points, points), noise
        )

    first = torch.randn(2, 5, dtype=torch.float64, generator=generator).requires_grad_()
    second = torch.randn(5, dtype=torch.float64, generator=generator).requires_grad_()
    assert torch.autograd.gradcheck(of_weights, (first, second))
