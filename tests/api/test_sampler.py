"""The order of the data: permutations, resumed and split over processes without a difference."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ganforge.api.sampler import Sampler

seeds, lengths = st.integers(0, 2**62), st.integers(1, 50)


@given(seeds, lengths, st.integers(0, 1000))
def test_each_epoch_shows_every_sample_once(seed: int, length: int, epoch: int) -> None:
    taken = Sampler(seed, length).at(epoch * length, length)
    assert taken.dtype == np.int64
    assert sorted(taken.tolist()) == list(range(length))


@given(seeds, lengths, st.integers(0, 10_000), st.lists(st.integers(0, 60), max_size=6))
def test_shards_add_up_to_the_whole(seed: int, length: int, start: int, counts: list[int]) -> None:
    whole = Sampler(seed, length).at(start, sum(counts))
    parts, position = [], start
    for count in counts:  # each by a sampler that remembers nothing, as after a resume or on another process
        parts.append(Sampler(seed, length).at(position, count))
        position += count
    assert whole.tolist() == [index for part in parts for index in part.tolist()]


@given(seeds, lengths, st.lists(st.tuples(st.integers(0, 500), st.integers(0, 80)), max_size=8))
def test_answers_do_not_depend_on_what_was_asked_before(seed: int, length: int, asked: list[tuple[int, int]]) -> None:
    used = Sampler(seed, length)
    for start, count in asked:
        assert used.at(start, count).tolist() == Sampler(seed, length).at(start, count).tolist()


@settings(max_examples=20)
@given(seeds)
def test_epochs_and_seeds_differ(seed: int) -> None:
    first = Sampler(seed, 100)
    assert first.permutation(0).tolist() != first.permutation(1).tolist()
    assert first.permutation(0).tolist() != Sampler(seed + 1, 100).permutation(0).tolist()


def test_permutations_are_unbiased() -> None:
    """Each sample stands at each place equally often: chi-square of 6x6 counts over 6,000 epochs (df = 25)."""
    sampler, counts = Sampler(0, 6), np.zeros((6, 6))
    for epoch in range(6000):
        counts[np.arange(6), sampler.permutation(epoch)] += 1
    assert ((counts - 1000) ** 2 / 1000).sum() < 52.6  # the 99.9 % quantile of chi-square with 25 degrees of freedom


def test_the_order_is_the_same_on_every_machine() -> None:
    assert Sampler(0, 8).at(0, 16).tolist() == [0, 5, 7, 3, 2, 6, 4, 1, 1, 4, 2, 6, 0, 3, 7, 5]


def test_impossible_questions_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one sample"):
        Sampler(0, 0)
    with pytest.raises(ValueError, match="0 or more"):
        Sampler(0, 3).at(-1, 2)
