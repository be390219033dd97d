"""Asking the generator itself: in evaluation mode, without gradients, with the latents that samples are made of."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from support.examinations import ArraySource, DiceGame, exam_of, looked_at, noise
from support.toys import gan_table, runner_of
from torch import Tensor

from ganforge.api.data import DataSpec, to_uint8
from ganforge.api.metric import ExaminedBatch, Labels, SampleRequest, Samples, View
from ganforge.errors import GanforgeError

SOURCE = ArraySource(noise(8, 1, 4, 4))


def game(classes: int = 0):
    return runner_of(gan_table(), DataSpec((1, 4, 4), classes), batch=8).game


@dataclass(frozen=True)
class Made(View):
    """What the generator makes of the draw."""

    def rows(self, seen: ExaminedBatch) -> Tensor:
        return seen.draw.generator(seen.draw.latents, seen.draw.labels)


@dataclass(frozen=True)
class State(View):
    """Whether generator and autograd are at work, and the latents."""

    broken: bool = False

    def rows(self, seen: ExaminedBatch) -> Tensor:
        state = torch.tensor([seen.draw.generator.training, torch.is_grad_enabled()])
        rows = torch.cat([state.expand(len(seen.draw.latents), 2), seen.draw.latents], 1)
        return rows / 0 if self.broken else rows


@pytest.mark.parametrize("classes", [0, 3])
def test_samples_are_what_the_generator_makes_of_the_draw(classes: int, tmp_path: Path) -> None:
    exam = exam_of(game(classes), SOURCE, tmp_path)
    exam.gather([SampleRequest(Made(), 40), SampleRequest(Samples(), 40), SampleRequest(Labels(), 40)])
    made = exam.rows(Made(), 40)
    assert torch.equal(to_uint8(made), exam.rows(Samples(), 40))
    assert made.std() > 0
    assert set(exam.rows(Labels(), 40).tolist()) == (set(range(classes)) if classes else {-1})


def test_it_is_asked_in_evaluation_mode_and_left_as_it_was(tmp_path: Path) -> None:
    played = game()
    found = looked_at(exam_of(played, SOURCE, tmp_path), 40, view=State())
    assert found.shape == (40, 10)
    assert not found[:, :2].any()
    assert played.training


def test_an_answer_that_is_not_finite_is_refused(tmp_path: Path) -> None:
    with pytest.raises(GanforgeError, match=r"State.*NaN"):
        looked_at(exam_of(game(), SOURCE, tmp_path), 4, view=State(broken=True))


def test_a_game_without_one_generator_says_so(tmp_path: Path) -> None:
    with pytest.raises(GanforgeError, match="DiceGame does not tell which generator"):
        looked_at(exam_of(DiceGame((1, 4, 4)), SOURCE, tmp_path), 4, view=State())


def test_numbers_that_a_view_draws_are_its_samples_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = looked_at(exam_of(game(), SOURCE, tmp_path), 70, view=Noise("a"))
    monkeypatch.setattr("ganforge.evaluation.examination.MOST", 13)
    assert torch.equal(looked_at(exam_of(game(), SOURCE, tmp_path), 70, view=Noise("a")), whole)
    assert not torch.equal(looked_at(exam_of(game(), SOURCE, tmp_path), 70, view=Noise("b")), whole)
    assert not torch.equal(looked_at(exam_of(game(), SOURCE, tmp_path, seed=6), 70, view=Noise("a")), whole)


@dataclass(frozen=True)
class Noise(View):
    """Noise of a purpose."""

    purpose: str

    def rows(self, seen: ExaminedBatch) -> Tensor:
        return seen.dice(self.purpose).uniform(len(seen.samples), 2)
