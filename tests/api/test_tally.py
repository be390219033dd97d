"""Means over everything that was seen."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from ganforge.api.tally import Tally, all_tallies


def settle(*tallies: Tally) -> None:
    """Let them settle as the runner does for as many processes as there are tallies."""
    total = sum(tally.pending for tally in tallies)
    for tally in tallies:
        tally.settle(total)


def test_the_mean_of_all_values_whatever_their_portions():
    values = torch.arange(10.0)
    tally = Tally()
    tally.add(values[:3])
    tally.add(values[3:].view(7, 1))
    assert (tally.count.item(), tally.mean.item()) == (0, 0), "nothing is settled within a turn"
    settle(tally)
    assert (tally.count.item(), tally.mean.item()) == (10, 4.5)
    assert tally.take().item() == 4.5
    assert (tally.count.item(), tally.take().item()) == (0, 0)


def test_two_processes_get_the_same_mean():
    one, two = Tally(), Tally()
    one.add(torch.tensor([1.0, 2.0]))
    two.add(torch.tensor([6.0]))
    settle(one, two)
    assert one.mean.item() == two.mean.item() == 3.0


def test_turns_add_up_until_taken():
    tally = Tally()
    for value in (1.0, 3.0):
        tally.add(torch.tensor([value]))
        settle(tally)
    assert tally.take().item() == 2.0


@pytest.mark.parametrize("shape", [(3,), (2, 3)])
def test_vectors(shape: tuple[int, ...]):
    values = torch.randn(4, 5, *shape)
    tally = Tally(*shape)
    tally.add(values)
    settle(tally)
    assert tally.count.item() == 20
    torch.testing.assert_close(tally.take(), values.flatten(0, 1).mean(0))
    assert tally.mean.shape == shape


def test_what_is_settled_is_saved_and_what_is_pending_is_not():
    tally = Tally(2)
    tally.add(torch.ones(3, 2))
    assert list(tally.state_dict()) == ["settled"]
    settle(tally)
    other = Tally(2)
    other.load_state_dict(tally.state_dict())
    assert torch.equal(other.take(), torch.ones(2))


def test_no_gradient_flows_into_it():
    values = torch.ones(2, requires_grad=True)
    tally = Tally()
    tally.add(values * 2)
    assert not tally.pending.requires_grad


def test_all_are_found():
    assert len(all_tallies(nn.ModuleList([Tally(), nn.Sequential(Tally(3))]))) == 2
