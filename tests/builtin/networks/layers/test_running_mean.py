"""The running mean: a half-life in images, whatever way they are split."""

from __future__ import annotations

import pytest
import torch

from ganforge.builtin.networks.layers.running_mean import RunningMean


def turn(mean: RunningMean, *parts: torch.Tensor) -> None:
    for part in parts:
        mean.update(part)
    mean.seen.settle(mean.seen.pending.clone())


def test_after_a_half_life_half_of_the_old_is_left() -> None:
    mean = RunningMean(half_life=8.0, start=1.0)
    for _ in range(2):
        turn(mean, torch.full((4,), 3.0))
    assert mean.value.item() == pytest.approx(1 + 2 * (1 - 0.5 ** (4 / 8))), "what the last turn saw is yet to come"
    turn(mean, torch.full((4,), 3.0))
    assert mean.value.item() == pytest.approx(2.0)


@pytest.mark.parametrize("size", [1, 2, 4])
def test_micro_batches_make_no_difference(size: int) -> None:
    whole, split = (RunningMean(3, half_life=5.0) for _ in range(2))
    for seed in range(3):
        seen = torch.randn(8, 3, generator=torch.Generator().manual_seed(seed))
        turn(whole, seen)
        turn(split, *seen.split(size))
        torch.testing.assert_close(split.value, whole.value, rtol=1e-6, atol=1e-7)
    assert whole.value.abs().sum() > 0


def test_nothing_seen_changes_nothing() -> None:
    mean = RunningMean(half_life=5.0, start=7.0)
    mean.update(torch.ones(4))
    mean.update(torch.ones(4))
    assert mean.value.item() == 7.0
