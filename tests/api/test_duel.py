"""A duel computes what is read, once, and nothing else."""

from __future__ import annotations

from typing import ClassVar

import pytest
import torch
from torch import Tensor

from ganforge.api.duel import Duel


class Counting:
    """A discriminator, or what makes samples, that counts how often it is asked."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.made = 0

    def __call__(self, samples: Tensor, labels: Tensor | None) -> Tensor:
        assert labels is None or len(labels) == len(samples)
        self.asked.append(len(samples))
        return samples.flatten(1).sum(1) + (0 if labels is None else labels)

    def make(self) -> Tensor:
        self.made += 1
        return torch.ones(4, 3)


@pytest.fixture
def critic() -> Counting:
    return Counting()


REAL = torch.zeros(4, 3)


def test_nothing_is_computed_before_it_is_read(critic: Counting):
    Duel(critic, REAL, critic.make)
    assert (critic.asked, critic.made) == ([], 0)


def test_each_thing_is_computed_once(critic: Counting):
    duel = Duel(critic, REAL, critic.make)
    for _ in range(3):
        assert duel.real_logits.tolist() == [0.0] * 4
    assert (critic.asked, critic.made) == ([4], 0), "real logits need no generated samples"
    for _ in range(3):
        assert duel.fake_logits.tolist() == [3.0] * 4
    assert (critic.asked, critic.made) == ([4, 4], 1)


def test_samples_without_logits_cost_no_forward(critic: Counting):
    duel = Duel(critic, REAL, critic.make)
    assert duel.fake is duel.fake
    assert (critic.asked, critic.made) == ([], 1)


def test_joint_is_one_forward(critic: Counting):
    duel = Duel(critic, REAL, critic.make, joint=True)
    assert (duel.real_logits.tolist(), duel.fake_logits.tolist()) == ([0.0] * 4, [3.0] * 4)
    assert (critic.asked, critic.made) == ([8], 1)


@pytest.mark.parametrize("joint", [True, False])
def test_labels_go_with_both(critic: Counting, joint: bool):
    labels = torch.arange(4)
    duel = Duel(critic, REAL, critic.make, labels, joint=joint)
    assert duel.real_logits.tolist() == [0, 1, 2, 3]
    assert duel.fake_logits.tolist() == [3, 4, 5, 6]


def test_samples_may_be_given(critic: Counting):
    fake = torch.full((4, 3), 2.0)
    assert Duel(critic, REAL, fake).fake is fake


class Cubic(torch.autograd.Function):
    """The sum of cubes of each sample's numbers; `backwards` counts the rows that pass on the way back."""

    backwards: ClassVar[list[int]] = []

    @staticmethod
    def forward(ctx, samples):
        ctx.save_for_backward(samples)
        return samples.pow(3).sum(1)

    @staticmethod
    def backward(ctx, outer):
        Cubic.backwards.append(len(outer))
        (samples,) = ctx.saved_tensors
        return 3 * samples.square() * outer[:, None]


@pytest.mark.parametrize(("joint", "passes"), [(True, [8]), (False, [4, 4])])
def test_slopes_are_gradients_of_each_sample_and_share_a_backward(joint: bool, passes: list[int]):
    generator = torch.Generator().manual_seed(2)
    real, fake = (torch.randn(4, 3, generator=generator, dtype=torch.float64, requires_grad=True) for _ in range(2))
    Cubic.backwards.clear()
    duel = Duel(lambda samples, _: Cubic.apply(samples), real, fake, joint=joint)
    for _ in range(2):
        torch.testing.assert_close(duel.real_gradient, 3 * real.square())
        torch.testing.assert_close(duel.fake_gradient, 3 * fake.square())
    assert Cubic.backwards == passes
    (again,) = torch.autograd.grad(duel.real_gradient.sum(), real)
    torch.testing.assert_close(again, 6 * real, msg="part of the graph")


def test_a_slope_of_real_samples_makes_no_generated_ones(critic: Counting):
    duel = Duel(critic, torch.zeros(4, 3, requires_grad=True), critic.make)
    assert duel.real_gradient.tolist() == [[1.0] * 3] * 4
    assert (critic.asked, critic.made) == ([4], 0)
