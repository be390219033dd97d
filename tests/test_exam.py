"""Samples under examination: the same whatever the batch, and a game that is left as it was found."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from support_exam import ArraySource, ConstantGame, DiceGame, exam_of, noise

from ganforge.errors import GanforgeError

SOURCE = ArraySource(noise(50, 1, 4, 4))


@pytest.mark.parametrize("batch", [1, 7, 32, 64, 100])
def test_samples_do_not_depend_on_the_batch_or_on_how_many_are_drawn(batch: int, tmp_path: Path) -> None:
    exam = exam_of(DiceGame((1, 4, 4)), SOURCE, tmp_path)
    whole = torch.cat(list(exam.fakes(100, batch=100)))
    assert whole.dtype == torch.uint8
    assert whole.shape == (100, 1, 4, 4)
    assert torch.equal(torch.cat(list(exam.fakes(100, batch))), whole)
    assert torch.equal(torch.cat(list(exam.fakes(45, batch))), whole[:45])


def test_samples_depend_on_the_seed_and_on_truncation(tmp_path: Path) -> None:
    game = DiceGame((1, 4, 4))
    one = torch.cat(list(exam_of(game, SOURCE, tmp_path, seed=1).fakes(32)))
    other = torch.cat(list(exam_of(game, SOURCE, tmp_path, seed=2).fakes(32)))
    narrow = torch.cat(list(exam_of(game, SOURCE, tmp_path, seed=1, truncation=0.5).fakes(32)))
    assert not torch.equal(one, other)
    assert narrow.float().std() < 0.7 * one.float().std()


def test_the_game_is_left_as_it_was_found(tmp_path: Path) -> None:
    game = DiceGame((1, 4, 4)).train()
    game.frozen.eval()
    state = {key: value.clone() for key, value in game.state_dict().items()}
    torch_state = torch.get_rng_state()
    stream = exam_of(game, SOURCE, tmp_path).fakes(100)
    next(stream)
    assert game.training
    assert game.norm.training
    assert not game.frozen.training
    list(stream)
    assert game.modes == [False, False], "samples are drawn in evaluation mode, without gradients"
    assert game.training
    assert game.norm.training
    assert not game.frozen.training
    assert all(torch.equal(value, state[key]) for key, value in game.state_dict().items())
    assert torch.equal(torch.get_rng_state(), torch_state)


def test_images_are_examined_as_they_are_saved(tmp_path: Path) -> None:
    game = ConstantGame(torch.tensor([-1.0, -0.5, 0.0, 1.0, 3.0]).reshape(5, 1, 1, 1))
    saved = torch.cat(list(exam_of(game, ArraySource(noise(2, 1, 1, 1)), tmp_path).fakes(5)))
    assert saved.flatten().tolist() == [0, 64, 128, 255, 255]


def test_points_are_examined_as_they_are(tmp_path: Path) -> None:
    points = torch.tensor([[3.0, -7.5], [0.1, 0.2]])
    found = torch.cat(list(exam_of(ConstantGame(points), ArraySource(np.zeros((2, 2), np.float32)), tmp_path).fakes(2)))
    assert torch.equal(found, points)


def test_samples_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    game = ConstantGame(torch.full((4, 1, 4, 4), float("nan")))
    with pytest.raises(GanforgeError, match="NaN"):
        list(exam_of(game, SOURCE, tmp_path).fakes(4))


def test_real_samples_come_in_one_fixed_order_whatever_the_seed(tmp_path: Path) -> None:
    one = torch.cat(list(exam_of(DiceGame((1, 4, 4)), SOURCE, tmp_path, seed=1).reals(50, batch=7)))
    other = torch.cat(list(exam_of(DiceGame((1, 4, 4)), SOURCE, tmp_path, seed=2).reals(1_000)))
    assert torch.equal(one, other)
    assert len({image.tobytes() for image in other.numpy()}) == 50
    assert not np.array_equal(other.numpy(), SOURCE.samples)
    assert torch.equal(torch.cat(list(exam_of(DiceGame((1, 4, 4)), SOURCE, tmp_path).reals(20))), one[:20])


def test_the_receipt_says_how_samples_come_about(tmp_path: Path) -> None:
    receipt = exam_of(DiceGame((1, 4, 4)), SOURCE, tmp_path, truncation=0.7).receipt()
    assert receipt["reference"] == "reference-1"
    assert receipt["seed"] == 5
    assert receipt["truncation"] == 0.7
    assert receipt["ema"] is True
    assert {"ganforge", "torch", "torch-fidelity", "reference-samples"} <= set(receipt)
