"""Samples under examination: the same whatever the batch, and a game that is left as it was found."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from support.examinations import ArraySource, ConstantGame, DiceGame, MeanColours, exam_of, looked_at, noise
from torch import Tensor

from ganforge.api.families import Features
from ganforge.api.metric import FeatureNetwork, FeatureOutput, SampleRequest, Samples
from ganforge.errors import GanforgeError

SOURCE = ArraySource(noise(50, 1, 4, 4))


class Counted(MeanColours):
    """Counts its forwards, and tells the spread of each channel as well."""

    forwards = 0

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        self.forwards += 1
        return {**super().forward(images), "spread": images.float().std((2, 3))}


class Colours(Features):
    """Mean colours."""

    kind: Literal["mean-colours"] = "mean-colours"

    def build(self) -> FeatureNetwork:
        return Counted()


def test_samples_do_not_depend_on_the_batch_or_on_how_many_are_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    game = DiceGame((1, 4, 4))
    whole = looked_at(exam_of(game, SOURCE, tmp_path), 100)
    assert whole.dtype == torch.uint8
    assert whole.shape == (100, 1, 4, 4)
    for batch in (1, 7, 32, 100):
        monkeypatch.setattr("ganforge.evaluation.examination.MOST", batch)
        assert torch.equal(looked_at(exam_of(game, SOURCE, tmp_path), 100), whole)
        assert torch.equal(looked_at(exam_of(game, SOURCE, tmp_path), 45), whole[:45])


def test_samples_depend_on_the_seed_and_on_truncation(tmp_path: Path) -> None:
    game = DiceGame((1, 4, 4))
    one = looked_at(exam_of(game, SOURCE, tmp_path, seed=1), 32)
    other = looked_at(exam_of(game, SOURCE, tmp_path, seed=2), 32)
    narrow = looked_at(exam_of(game, SOURCE, tmp_path, seed=1, truncation=0.5), 32)
    assert not torch.equal(one, other)
    assert narrow.float().std() < 0.7 * one.float().std()


def test_all_that_want_to_look_share_one_pass_of_the_generator_and_of_each_network(tmp_path: Path) -> None:
    game, colours = DiceGame((3, 4, 4)), Colours()
    source = ArraySource(noise(200, 3, 4, 4))
    exam = exam_of(game, source, tmp_path)
    exam.gather(
        [
            SampleRequest(Samples(), 70),
            SampleRequest(FeatureOutput(colours), 128),
            SampleRequest(FeatureOutput(colours), 100, keep="moments"),
            SampleRequest(FeatureOutput(colours, "spread"), 60),
            SampleRequest(FeatureOutput(colours), 128, "real"),
        ]
    )
    assert len(game.modes) == 2, "128 samples are two batches, drawn once"
    network = exam.network(colours)
    assert isinstance(network, Counted)
    assert network.forwards == 4, "two batches of generated samples and two of real ones"
    assert exam.rows(Samples(), 70).shape == (70, 3, 4, 4)
    assert torch.equal(exam.rows(FeatureOutput(colours), 128)[:70], exam.rows(Samples(), 70).float().mean((2, 3)))
    assert exam.rows(FeatureOutput(colours, "spread"), 60).shape == (60, 3)
    exam.gather([SampleRequest(Samples(), 70), SampleRequest(FeatureOutput(colours), 128)])
    assert len(game.modes) == 2, "what is known is not looked at again"


def test_the_game_is_left_as_it_was_found(tmp_path: Path) -> None:
    game = DiceGame((1, 4, 4)).train()
    game.frozen.eval()
    state = {key: value.clone() for key, value in game.state_dict().items()}
    torch_state = torch.get_rng_state()
    looked_at(exam_of(game, SOURCE, tmp_path), 100)
    assert game.modes == [False, False], "samples are drawn in evaluation mode, without gradients"
    assert game.training
    assert game.norm.training
    assert not game.frozen.training
    assert all(torch.equal(value, state[key]) for key, value in game.state_dict().items())
    assert torch.equal(torch.get_rng_state(), torch_state)


def test_the_game_is_left_as_it_was_found_when_looking_fails(tmp_path: Path) -> None:
    game = ConstantGame(torch.full((4, 1, 4, 4), float("nan"))).train()
    with pytest.raises(GanforgeError, match="NaN"):
        looked_at(exam_of(game, SOURCE, tmp_path), 4)
    assert game.training


def test_images_are_examined_as_they_are_saved(tmp_path: Path) -> None:
    game = ConstantGame(torch.tensor([-1.0, -0.5, 0.0, 1.0, 3.0]).reshape(5, 1, 1, 1))
    saved = looked_at(exam_of(game, ArraySource(noise(2, 1, 1, 1)), tmp_path), 5)
    assert saved.flatten().tolist() == [0, 64, 128, 255, 255]


def test_points_are_examined_as_they_are(tmp_path: Path) -> None:
    points = torch.tensor([[3.0, -7.5], [0.1, 0.2]])
    found = looked_at(exam_of(ConstantGame(points), ArraySource(np.zeros((2, 2), np.float32)), tmp_path), 2)
    assert torch.equal(found, points)


def test_samples_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    game = ConstantGame(torch.full((4, 1, 4, 4), float("nan")))
    with pytest.raises(GanforgeError, match="NaN"):
        looked_at(exam_of(game, SOURCE, tmp_path), 4)


def test_real_samples_come_in_one_fixed_order_whatever_the_seed(tmp_path: Path) -> None:
    one = looked_at(exam_of(DiceGame((1, 4, 4)), SOURCE, tmp_path / "1", seed=1), 50, "real")
    other = looked_at(exam_of(DiceGame((1, 4, 4)), SOURCE, tmp_path / "2", seed=2), 1_000, "real")
    assert torch.equal(one, other)
    assert len({image.tobytes() for image in other.numpy()}) == 50
    assert not np.array_equal(other.numpy(), SOURCE.samples)
    assert torch.equal(looked_at(exam_of(DiceGame((1, 4, 4)), SOURCE, tmp_path), 20, "real"), one[:20])


def test_the_receipt_says_how_samples_come_about(tmp_path: Path) -> None:
    receipt = exam_of(DiceGame((1, 4, 4)), SOURCE, tmp_path, truncation=0.7).receipt()
    assert receipt["reference"] == "reference-1"
    assert receipt["seed"] == 5
    assert receipt["truncation"] == 0.7
    assert receipt["ema"] is True
    assert {"ganforge", "torch", "torch-fidelity", "reference-samples"} <= set(receipt)
