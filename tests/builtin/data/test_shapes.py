"""Drawn shapes: what they are, that their conditions can be measured, and the metric of how conditions are followed."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from support.examinations import ArraySource, ConstantGame, DrawnGame, exam_of, measured, noise
from support.toys import runner_of
from torch import Tensor

from ganforge.api.data import to_device, to_float
from ganforge.api.network import Draw, GeneratorNetwork
from ganforge.builtin.data.shapes import Shapes
from ganforge.builtin.metrics.condition_correlation import ConditionCorrelation
from ganforge.errors import DataError
from ganforge.training.callbacks.grid import grid_labels


def test_shapes_are_the_same_whenever_they_are_opened(tmp_path: Path):
    one, two = (Shapes(samples=50).open(tmp_path) for _ in range(2))
    index = np.array([3, 49, 3])
    assert torch.equal(one.batch(index)["image"], two.batch(index)["image"])
    assert torch.equal(one.batch(index)["label"][0], one.batch(index)["label"][2])
    assert one.fingerprint == two.fingerprint != Shapes(samples=51).open(tmp_path).fingerprint
    assert torch.equal(Shapes(samples=99).open(tmp_path).batch(index)["label"], one.batch(index)["label"])


@pytest.mark.parametrize("resolution", [16, 32, 64])
@pytest.mark.parametrize(("shape", "area"), [("disc", math.pi), ("square", 4.0), ("diamond", 2.0)])
def test_light_is_the_shapes_area_and_its_centre_the_condition(
    resolution: int, shape: str, area: float, tmp_path: Path
):
    source = Shapes(resolution=resolution, shapes=(shape,), samples=40).open(tmp_path)
    batch = source.batch(np.arange(40))
    light = (to_float(batch["image"]).double()[:, 0] + 1) / 2
    pixel = 2 / resolution
    radius = 0.3 + 0.12 * batch["label"][:, 2].double()
    torch.testing.assert_close(light.sum((1, 2)) * pixel**2, area * radius**2, rtol=0, atol=2.5 * pixel * 0.3)
    found = source.measure(to_float(batch["image"]))
    assert (found - batch["label"]).abs()[:, :2].max() < 1.5 * pixel * pixel + 0.02
    assert (found - batch["label"]).abs()[:, 2].max() < 8 * pixel


def test_labels_are_conditions_classes_or_none(tmp_path: Path):
    conditions = Shapes().open(tmp_path)
    assert (conditions.spec.conditions, conditions.spec.classes) == (3, 0)
    label = to_device(conditions.batch(np.arange(6)), torch.device("cpu"))["label"]
    assert (label.dtype, label.shape) == (torch.float32, (6, 3))
    assert -1 <= label.min() < label.max() <= 1
    classes = Shapes(labels="classes").open(tmp_path)
    assert classes.spec.class_names == ("disc", "square", "diamond")
    assert classes.batch(np.arange(6))["label"].tolist() == [0, 1, 2, 0, 1, 2]
    plain = Shapes(labels="none").open(tmp_path)
    assert plain.spec.label_size == 0
    assert set(plain.batch(np.arange(2))) == {"image"}


def test_a_shape_is_named_once():
    with pytest.raises(ValidationError, match="named twice"):
        Shapes(shapes=("disc", "disc"))


def test_a_conditional_gan_plays_on_continuous_conditions(tmp_path: Path):
    source = Shapes(resolution=8).open(tmp_path)
    game = {"kind": "gan", "loss": "non-saturating"}
    for side in ("generator", "discriminator"):
        game[side] = {"network": {"kind": "dcgan", "width": 4}, "optimizer": {"lr": 1e-3}}
    runner = runner_of(game, source.spec, batch=16)
    report = runner.play_round(to_device(source.batch(np.arange(16)), torch.device("cpu")))
    assert all(value.isfinite() for value in report.values())


def test_grids_vary_the_first_condition_across_and_the_second_down(tmp_path: Path):
    labels = grid_labels(Shapes().open(tmp_path).spec, 9)
    assert labels is not None
    assert labels.reshape(3, 3, 3)[:, :, 0].tolist() == [[-1, 0, 1]] * 3
    assert labels.reshape(3, 3, 3)[:, :, 1].T.tolist() == [[-1, 0, 1]] * 3
    assert labels[:, 2].abs().max() == 0
    assert grid_labels(Shapes(labels="classes").open(tmp_path).spec, 4).tolist() == [0, 1, 2, 0]
    assert grid_labels(Shapes(labels="none").open(tmp_path).spec, 4) is None


class Artist(GeneratorNetwork):
    """Draws what it is asked for, or what the mirror image of x would be."""

    def __init__(self, source, sign: float) -> None:
        super().__init__()
        self.source, self.sign = source, sign

    def forward(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        wanted = labels * torch.tensor([self.sign, 1.0, 1.0])
        return to_float(self.source._draw(wanted, torch.zeros(len(labels), dtype=torch.long)))


class ArtistGame(DrawnGame):
    def __init__(self, generator: GeneratorNetwork) -> None:
        super().__init__((1, 32, 32))
        self.generator = generator

    def draw(self, count: int, labels: Tensor | None = None) -> Draw:
        return Draw(self.generator, self.dice.normal(count, 2), self.dice.uniform(count, 3) * 2 - 1)


def test_condition_correlation_is_one_for_who_draws_what_was_asked(tmp_path: Path):
    source = Shapes(shapes=("disc",)).open(tmp_path)
    metric = ConditionCorrelation(samples=200)
    good = measured(metric, exam_of(ArtistGame(Artist(source, 1.0)), source, tmp_path))
    assert good.values["condition-correlation"] > 0.999
    assert good.values["condition-error"] < 0.02
    assert good.receipt["fake"] == 200
    bad = measured(metric, exam_of(ArtistGame(Artist(source, -1.0)), source, tmp_path))
    assert bad.values["condition-correlation"] < -0.999


def test_condition_correlation_needs_conditions(tmp_path: Path):
    exam = exam_of(ConstantGame(torch.zeros(1, 1, 8, 8)), ArraySource(noise(4, 1, 8, 8)), tmp_path)
    with pytest.raises(DataError, match="can be measured"):
        measured(ConditionCorrelation(), exam)
