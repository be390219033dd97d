"""Classes asked for and seen: by a classifier of real samples, by codes, and by the game's own classifier."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
import torch
from support.examinations import DiceGame, DrawnGame, exam_of, measured
from torch import Tensor

from ganforge.api.data import to_float
from ganforge.api.network import Draw, GeneratorNetwork
from ganforge.builtin.data.digits import Digits
from ganforge.builtin.data.gaussians import Ring
from ganforge.builtin.metrics.class_recognition import ClassRecognition
from ganforge.builtin.metrics.classification_accuracy import ClassificationAccuracy
from ganforge.builtin.metrics.code_recovery import CodeRecovery, best_assignment
from ganforge.errors import DataError, GanforgeError

LABELLED = Digits(labels=True)


class Copyist(GeneratorNetwork):
    """Shows real digits of the class asked for, but of the next class for every `every`-th sample."""

    def __init__(self, source, every: int) -> None:
        super().__init__()
        batch = source.batch(np.arange(len(source)))
        self.images, self.classes, self.every = to_float(batch["image"]), batch["label"], every

    def forward(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        shown = labels.clone()
        shown[:: self.every] = (shown[:: self.every] + 1) % 10
        rows = [int(torch.nonzero(self.classes == label)[index % 100]) for index, label in enumerate(shown)]
        return self.images[rows]


class CopyGame(DrawnGame):
    """Asks for classes in turn; `order` says for which class each value of a code stands."""

    def __init__(self, generator: GeneratorNetwork, order: Tensor | None = None) -> None:
        super().__init__((1, 8, 8))
        self.generator, self.order = generator, order

    def draw(self, count: int, labels: Tensor | None = None) -> Draw:
        places = self.dice.row_numbers(count) % 10
        if self.order is None:
            return Draw(self.generator, torch.zeros(count, 1), places)
        return Draw(self.generator, torch.zeros(count, 1), self.order[places], places[:, None])

    def classify(self, samples: Tensor) -> Tensor:
        """It takes a sample for the digit whose mean image is nearest."""
        means = torch.stack([self.generator.images[self.generator.classes == k].mean(0) for k in range(10)])
        return -torch.cdist(samples.flatten(1), means.flatten(1))


def test_class_recognition_counts_what_was_asked_for(tmp_path: Path):
    source = LABELLED.open(tmp_path)
    good = measured(ClassRecognition(samples=300), exam_of(CopyGame(Copyist(source, 1000)), source, tmp_path))
    assert good.values["class-recognition"] > 0.95
    assert 0.95 < good.values["class-recognition-of-real"] < 1
    assert good.receipt["recogniser-learnt"] == 1437
    half = measured(ClassRecognition(samples=300), exam_of(CopyGame(Copyist(source, 2)), source, tmp_path))
    assert half.values["class-recognition"] == pytest.approx(0.5, abs=0.05)


def test_class_recognition_takes_points(tmp_path: Path):
    source = Ring(labels=True, samples=400).open(tmp_path)

    class OnTheRing(GeneratorNetwork):
        def forward(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
            return torch.from_numpy(source.modes)[labels]

    class RingGame(DrawnGame):
        def draw(self, count: int, labels: Tensor | None = None) -> Draw:
            return Draw(OnTheRing(), torch.zeros(count, 1), self.dice.integers(8, count))

    assert measured(ClassRecognition(samples=64), exam_of(RingGame((2,)), source, tmp_path)).values == {
        "class-recognition": 1.0,
        "class-recognition-of-real": 1.0,
    }


def test_class_recognition_needs_classes(tmp_path: Path):
    exam = exam_of(DiceGame((1, 8, 8)), Digits().open(tmp_path), tmp_path)
    with pytest.raises(DataError, match="labels = true"):
        measured(ClassRecognition(), exam)


def test_best_assignment_is_the_best_of_all():
    generator = np.random.default_rng(1)
    codes, classes = generator.integers(0, 4, 60), generator.integers(0, 5, 60)
    every = max(np.mean([order[code] for code in codes] == classes) for order in permutations(range(5), 4))
    assert best_assignment(codes, classes) == pytest.approx(every)
    assert best_assignment(np.array([0, 1, 2]), np.array([2, 0, 1])) == 1
    assert best_assignment(np.array([0, 1, 2, 0]), np.array([3, 3, 3, 3])) == 0.5, "no class stands for two codes"


def test_code_recovery_finds_which_code_is_which_class(tmp_path: Path):
    source, plain = LABELLED.open(tmp_path), Digits().open(tmp_path)
    order = torch.tensor([3, 1, 4, 0, 5, 9, 2, 6, 8, 7])
    metric = CodeRecovery(data=LABELLED, samples=200)
    found = measured(metric, exam_of(CopyGame(Copyist(source, 1000), order), plain, tmp_path))
    assert found.values["code-recovery"] > 0.95
    blurred = measured(metric, exam_of(CopyGame(Copyist(source, 1000), order // 2), plain, tmp_path))
    assert blurred.values["code-recovery"] == pytest.approx(0.5, abs=0.05), "two codes share each class"


def test_code_recovery_needs_codes_and_data_of_one_shape(tmp_path: Path):
    source = LABELLED.open(tmp_path)
    exam = exam_of(CopyGame(Copyist(source, 1000)), source, tmp_path)
    with pytest.raises(GanforgeError, match="choose infogan"):
        measured(CodeRecovery(data=LABELLED, samples=20), exam)
    coded = exam_of(CopyGame(Copyist(source, 1000), torch.arange(10)), source, tmp_path)
    with pytest.raises(GanforgeError, match="the same resolution"):
        measured(CodeRecovery(data=Digits(labels=True, resolution=16)), coded)


def test_classification_accuracy_is_that_of_the_games_classifier_on_the_data_named(tmp_path: Path):
    train, held = Digits(labels=True, part="train"), Digits(labels=True, part="test")
    game = CopyGame(Copyist(train.open(tmp_path), 1000))
    found = measured(ClassificationAccuracy(data=held), exam_of(game, train.open(tmp_path), tmp_path))
    batch = held.open(tmp_path).batch(np.arange(359))
    expected = (game.classify(to_float(batch["image"])).argmax(1) == batch["label"]).float().mean().item()
    assert 0.8 < expected < 0.95
    assert found.values["accuracy"] == pytest.approx(expected)
    assert found.receipt["classified"] == 359


def test_classification_accuracy_needs_the_games_classes_and_a_classifier(tmp_path: Path):
    source = LABELLED.open(tmp_path)
    with pytest.raises(GanforgeError, match="with 0 classes, and the game's"):
        measured(ClassificationAccuracy(data=Digits()), exam_of(CopyGame(Copyist(source, 9)), source, tmp_path))
    with pytest.raises(GanforgeError, match="does not tell classes"):
        measured(ClassificationAccuracy(data=LABELLED), exam_of(DiceGame((1, 8, 8)), source, tmp_path))
