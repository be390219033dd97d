"""Random numbers as a pure function of seed, purpose, place, path and row."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from ganforge.api.dice import BLOCK, Dice, Roll, all_dice, derive_seed, roll_dice


def rolled(roll: Roll, path: str = "dice") -> Dice:
    dice = Dice()
    dice.set_roll(path, roll)
    return dice


def draws(dice: Dice, rows: int) -> Tensor:
    """One of each kind, side by side."""
    integers = dice.integers(1000, rows, 2).double()
    return torch.cat([dice.normal(rows, 3).double(), dice.uniform(rows, 1, 2).flatten(1).double(), integers], 1)


@st.composite
def splits(draw: st.DrawFn) -> tuple[int, int, int]:
    """Total rows, processes and micro-batches that share them out evenly."""
    rows, processes, parts = draw(st.integers(1, 9)), draw(st.integers(1, 5)), draw(st.integers(1, 5))
    return rows * processes * parts, processes, parts


@settings(max_examples=60, deadline=None)
@given(splits(), st.integers(0, 2**40))
def test_a_row_gets_the_same_numbers_however_its_batch_is_split(split: tuple[int, int, int], seed: int):
    total, processes, parts = split
    whole = draws(rolled(Roll(seed, "turn", 64, 0, total, total)), total)
    rows = total // (processes * parts)
    pieces = [
        draws(rolled(Roll(seed, "turn", 64, index * rows, rows, total)), rows) for index in range(processes * parts)
    ]
    assert torch.equal(torch.cat(pieces), whole)


@pytest.mark.parametrize("total", [BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 5])
def test_blocks_meet_without_a_seam(total: int):
    whole = rolled(Roll(0, "a", 0, 0, total, total)).normal(total, 2)
    one_by_one = [rolled(Roll(0, "a", 0, row, 1, total)).normal(1, 2) for row in range(total)]
    assert torch.equal(torch.cat(one_by_one), whole)
    assert len(whole.unique()) == 2 * total, "no row is another one's twin"


@pytest.mark.parametrize("shrink", [2, 4])
def test_fewer_rows_than_rolled_split_the_same_way(shrink: int):
    """A penalty that looks at every other sample draws for those alone."""
    whole = rolled(Roll(1, "a", 0, 0, 16, 16)).normal(16 // shrink, 3)
    halves = [rolled(Roll(1, "a", 0, start, 8, 16)).normal(8 // shrink, 3) for start in (0, 8)]
    assert torch.equal(torch.cat(halves), whole)


def test_more_rows_than_rolled_are_several_batches():
    """Real and generated samples in one forward: the numbers of two draws, one after the other."""
    both = rolled(Roll(1, "a", 0, 4, 4, 16)).normal(8, 3)
    dice = rolled(Roll(1, "a", 0, 4, 4, 16))
    assert torch.equal(both, torch.cat([dice.normal(4, 3), dice.normal(4, 3)]))


def test_rows_that_do_not_fit_are_an_error():
    with pytest.raises(AssertionError, match="5 rows asked of dice rolled for 8"):
        rolled(Roll(1, "a", rows=8, total=8)).normal(5)


def test_dice_are_rolled_before_they_are_read():
    with pytest.raises(RuntimeError, match="before `roll_dice"):
        Dice().normal(3)


BASE = Roll(1, "turn", 64, 0, 256, 256)
OTHERS = {
    "seed": (Roll(2, "turn", 64, 0, 256, 256), "dice"),
    "purpose": (Roll(1, "turning", 64, 0, 256, 256), "dice"),
    "position": (Roll(1, "turn", 128, 0, 256, 256), "dice"),
    "path": (BASE, "dice.dice"),
}


@pytest.mark.parametrize("what", OTHERS)
def test_draws_for_other_things_are_independent(what: str):
    roll, path = OTHERS[what]
    one, two = rolled(BASE).normal(256, 64).flatten(), rolled(roll, path).normal(256, 64).flatten()
    assert abs(torch.corrcoef(torch.stack([one, two]))[0, 1]) < 5 / math.sqrt(len(one))
    assert (one == two).float().mean() < 0.01


def test_draws_one_after_the_other_are_independent_and_begin_anew_with_a_roll():
    dice = rolled(BASE)
    one, two = dice.normal(256, 64), dice.normal(256, 64)
    assert abs(torch.corrcoef(torch.stack([one.flatten(), two.flatten()]))[0, 1]) < 5 / 128
    dice.set_roll("dice", BASE)
    assert torch.equal(dice.normal(256, 64), one)


def test_rows_and_columns_are_independent():
    numbers = rolled(Roll(3, "a", 0, 0, 64, 64)).normal(64, 4096)
    correlations = torch.corrcoef(numbers) - torch.eye(64)
    assert correlations.abs().max() < 5.5 / 64  # 2,016 pairs at sigma = 1 / 64
    assert (numbers.mean(0).std() - 1 / 8).abs() < 0.01


def test_statistics():
    n = 200_000
    dice = rolled(Roll(5, "a", 0, 0, n, n))
    normal, uniform, integers = dice.normal(n).double(), dice.uniform(n).double(), dice.integers(6, n)
    sigma = 1 / math.sqrt(n)
    assert abs(normal.mean()) < 4 * sigma
    assert abs(normal.square().mean() - 1) < 4 * math.sqrt(2) * sigma
    assert abs((normal**4).mean() - 3) < 4 * math.sqrt(96) * sigma
    assert abs(uniform.mean() - 0.5) < 4 * sigma / math.sqrt(12)
    assert abs(uniform.var() - 1 / 12) < 4 * sigma / math.sqrt(180)
    assert uniform.min() >= 0
    assert uniform.max() < 1
    counts = torch.bincount(integers, minlength=6).double()
    assert len(counts) == 6
    assert ((counts - n / 6).square() / (n / 6)).sum() < 20.5  # chi squared, 5 degrees of freedom: p = 0.001


def test_integers_never_reach_the_bound():
    dice = rolled(Roll(1, "a", rows=4, total=4))
    dice.uniform = lambda rows, *shape: torch.full((rows, *shape), 1 - 2**-25)  # what float32 rounds up to 1
    assert dice.integers(3, 4).max() == 2


def test_derive_is_the_same_on_every_machine():
    assert derive_seed(0, "weights") == derive_seed(0, "weights") == 8499703138442296907
    assert len({derive_seed(a, b) for a in range(50) for b in range(50)}) == 2500
    assert derive_seed("1", "23") != derive_seed("12", "3")
    assert all(0 <= derive_seed(number) < 2**63 for number in range(100))


def test_all_dice_of_a_tree_are_rolled_by_their_own_path():
    tree = nn.Module()
    tree.one, tree.two = Dice(), nn.Sequential(nn.Identity(), Dice())
    assert [path for path, _ in all_dice(tree)] == ["one", "two.1"]
    roll_dice(tree, BASE)
    assert not torch.equal(tree.one.normal(4), tree.two[1].normal(4))
    assert tree.state_dict() == {}, "dice have no state: all is in the roll"


def test_global_generators_are_left_alone():
    before = torch.default_generator.get_state()
    draws(rolled(BASE), 256)
    assert torch.equal(torch.default_generator.get_state(), before)
