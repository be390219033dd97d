"""Asking the generator itself: in evaluation mode, without gradients, with the latents that samples are made of."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from support import gan_table, runner_of
from support_exam import ArraySource, DiceGame, exam_of, noise
from torch import Tensor

from ganforge.data import DataSpec, to_uint8
from ganforge.errors import GanforgeError
from ganforge.network import Draw

SOURCE = ArraySource(noise(8, 1, 4, 4))


def game(classes: int = 0):
    return runner_of(gan_table(), DataSpec((1, 4, 4), classes), batch=8).game


@pytest.mark.parametrize("classes", [0, 3])
def test_samples_are_what_the_generator_makes_of_the_draw(classes: int, tmp_path: Path) -> None:
    exam = exam_of(game(classes), SOURCE, tmp_path)
    made = torch.cat(list(exam.probe(lambda draw: draw.generator(draw.latents, draw.labels), 40, batch=16)))
    assert torch.equal(to_uint8(made), torch.cat(list(exam.fakes(40, batch=40))))
    assert made.std() > 0


def test_it_is_asked_in_evaluation_mode_and_left_as_it_was(tmp_path: Path) -> None:
    played, seen = game(), []

    def question(draw: Draw) -> Tensor:
        seen.append((draw.generator.training, torch.is_grad_enabled(), len(draw.latents)))
        return draw.latents

    found = torch.cat(list(exam_of(played, SOURCE, tmp_path).probe(question, 40, batch=32)))
    assert seen == [(False, False, 32), (False, False, 8)]
    assert found.shape == (40, 8)
    assert played.training


def test_an_answer_that_is_not_finite_is_refused(tmp_path: Path) -> None:
    with pytest.raises(GanforgeError, match="NaN"):
        list(exam_of(game(), SOURCE, tmp_path).probe(lambda draw: draw.latents / 0, 4))


def test_a_game_without_one_generator_says_so(tmp_path: Path) -> None:
    with pytest.raises(GanforgeError, match="DiceGame does not tell which generator"):
        list(exam_of(DiceGame((1, 4, 4)), SOURCE, tmp_path).probe(lambda draw: draw.latents, 4))
