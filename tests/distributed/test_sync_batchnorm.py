"""BatchNorms that are shared: what they take over, and that one process alone notices nothing.

That two processes compute what one does, with second derivatives, is in tests/distributed/test_equal_one.py.
"""

from __future__ import annotations

import contextlib

import pytest
import torch
from torch import nn

from ganforge.api.collective import Collective, all_collectives, collectives_open
from ganforge.distributed.sync_batchnorm import convert_batchnorms, local_batchnorms
from ganforge.errors import RecipeError


def test_weights_and_state_stay_and_one_process_computes_the_same_bits():
    torch.manual_seed(0)
    plain = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.Sequential(nn.BatchNorm2d(4, affine=False)))
    before = dict(plain.named_parameters())
    images = torch.randn(6, 3, 5, 5)
    plain(images)
    state = {name: value.clone() for name, value in plain.state_dict().items()}
    assert len(local_batchnorms(plain)) == 2
    expected = plain(images)
    plain.load_state_dict(state)
    assert convert_batchnorms(plain) == 2
    assert local_batchnorms(plain) == []
    assert {name: id(value) for name, value in plain.named_parameters()} == {n: id(p) for n, p in before.items()}
    assert plain.state_dict().keys() == state.keys()
    assert torch.equal(plain(images), expected)


def test_one_that_stands_in_two_places_stays_one():
    norm = nn.BatchNorm1d(3)
    module = nn.ModuleDict({"a": nn.Sequential(norm), "b": nn.Sequential(norm)})
    assert convert_batchnorms(module) == 1
    assert module["a"][0] is module["b"][0]


def test_norms_of_other_kinds_are_refused():
    class Own(nn.BatchNorm2d):
        pass

    with pytest.raises(RecipeError, match=r"run.sync_batchnorm: inner.0 is a Own.*leave sync_batchnorm out"):
        convert_batchnorms(nn.ModuleDict({"inner": nn.Sequential(Own(2))}))


def test_places_are_closed_outside_of_a_turn():
    game = nn.ModuleDict({"a": Collective(), "b": nn.ModuleDict({"c": Collective()})})
    places = all_collectives(game)
    with contextlib.suppress(ZeroDivisionError), collectives_open(places, 4, 2):
        assert [(place.world_size, place.rank) for place in places] == [(4, 2)] * 2
        raise ZeroDivisionError
    assert [(place.world_size, place.rank) for place in places] == [(1, 0)] * 2
    values = [torch.ones(2), torch.zeros(3)]
    assert all(mean is value for mean, value in zip(places[0].mean(values), values, strict=True))
    assert places[0].gather(values[0]).shape == (1, 2)
