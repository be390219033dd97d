"""A duel computes what is read, once, and nothing else."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from ganforge.duel import Duel


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
