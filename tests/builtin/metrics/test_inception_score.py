"""Inception Score: its formula, its bounds, and what may carry its name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from support.examinations import ArraySource, ConstantGame, exam_of, looked_at, measured, noise
from support.features import Colours, Primary, PrimaryNetwork, Random
from torch import Tensor

from ganforge.api.metric import FeatureOutput
from ganforge.builtin.features.dinov2 import DinoV2
from ganforge.builtin.features.inception import Inception
from ganforge.builtin.metrics.inception_score import InceptionScore
from ganforge.errors import GanforgeError

SOURCE = ArraySource(noise(4, 3, 8, 8))


def metric(**fields: object) -> InceptionScore:
    return InceptionScore.model_validate({"features": Random(), "samples": 60, "splits": 1, **fields})


def shown(images: np.ndarray) -> ConstantGame:
    return ConstantGame(torch.from_numpy(images).float() / 127.5 - 1)


def score(logits: np.ndarray) -> float:
    """Salimans et al. 2016, sec. 4: exp E KL(p(y|x) | p(y))."""
    weights = np.exp(logits - logits.max(1, keepdims=True))
    answers = weights / weights.sum(1, keepdims=True)
    whole = answers.mean(0)
    return float(np.exp(np.mean([sum(p * np.log(p / q) for p, q in zip(row, whole, strict=True)) for row in answers])))


@pytest.mark.parametrize("splits", [1, 3])
def test_the_score_is_that_of_the_formula(splits: int, tmp_path: Path) -> None:
    game = shown(np.random.default_rng(0).integers(0, 256, (60, 3, 1, 1), dtype=np.uint8) * np.ones((8, 8), np.uint8))
    exam = exam_of(game, SOURCE, tmp_path)
    logits = looked_at(exam, 60, view=FeatureOutput(Random(), "logits")).double().numpy()
    parts = np.split(logits[np.random.RandomState(2020).permutation(60)], splits)
    scores = [score(part) for part in parts]
    found = measured(metric(splits=splits), exam).values
    assert scores[0] > 1.05
    assert found["classifier-score-random-features"] == pytest.approx(np.mean(scores), rel=1e-12)
    assert found["classifier-score-random-features-std"] == pytest.approx(np.std(scores), rel=1e-9, abs=1e-12)


def test_one_answer_for_all_scores_1_and_all_answers_equally_often_their_number(tmp_path: Path) -> None:
    one = np.full((60, 3, 1, 1), 200, np.uint8)
    pure = (255 * np.eye(3, dtype=np.uint8)).repeat(20, axis=0).reshape(60, 3, 1, 1)
    values = [
        measured(metric(features=Primary()), exam_of(shown(images), SOURCE, tmp_path)).values for images in (one, pure)
    ]
    assert [value["classifier-score-primary-colours"] for value in values] == pytest.approx([1, 3], rel=1e-6)


class Both(PrimaryNetwork):
    """Tells logits without their bias as well."""

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        told = super().forward(images)
        return {**told, "logits-unbiased": told["logits"] / 100}


def test_inception_alone_makes_an_inception_score_of_its_logits_without_bias(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert metric().directions() == {"classifier-score-random-features": "higher", "classifier-score-random-features-std": None}  # fmt: skip # noqa: E501
    monkeypatch.setattr(Inception, "build", lambda self: Both())
    exam = exam_of(shown(noise(60, 3, 1, 1)), SOURCE, tmp_path)
    found = measured(InceptionScore(samples=60, splits=1), exam)
    logits = looked_at(exam, 60, view=FeatureOutput(Inception(), "logits-unbiased")).double().numpy()
    assert set(found.values) == set(InceptionScore().directions()) == {"inception-score", "inception-score-std"}
    assert found.values["inception-score"] == pytest.approx(score(logits), rel=1e-9)
    assert found.receipt["logits"] == "logits-unbiased"
    assert "not the published ones" in str(found.receipt["warning"])


def test_the_receipt_is_complete(tmp_path: Path) -> None:
    receipt = measured(metric(splits=2), exam_of(shown(noise(60, 3, 8, 8)), SOURCE, tmp_path)).receipt
    expected = {"features": "random-features", "weights-sha256": "1" * 64, "resizer": "none", "fake": 60, "splits": 2,
                "classes": 10, "seed": 5, "truncation": 1.0, "ema": True}  # fmt: skip
    assert expected.items() <= receipt.items()
    assert {"dtype", "ganforge", "torch", "torch-fidelity"} <= receipt.keys()
    assert "60 samples are fewer than 10,000: biased downwards" in str(receipt["warning"])


def test_features_without_logits_are_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(GanforgeError, match="dinov2 features have none; choose"):
        metric(features=DinoV2()).requests(SOURCE)
    with pytest.raises(GanforgeError, match="mean-colours features for `logits`, and they tell `features` only"):
        measured(metric(features=Colours()), exam_of(shown(noise(60, 3, 8, 8)), SOURCE, tmp_path))


def test_splits_need_two_samples_each(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="splits = 31 leave less than two of 60 samples"):
        metric(splits=31)
    few = exam_of(shown(noise(60, 3, 8, 8)), SOURCE, tmp_path)
    few.subject.most = 9
    with pytest.raises(GanforgeError, match="set its splits = 4 or less"):
        measured(metric(splits=5), few)
