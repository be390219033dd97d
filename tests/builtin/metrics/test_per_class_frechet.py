"""Fréchet distance by class: shifts that are known, classes that are missing, few samples."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from support.examinations import ArraySource, exam_of, measured, noise
from support.labelled import Labelled, LabelledGame

from ganforge.api.data import DataSpec
from ganforge.builtin.features.inception import Inception
from ganforge.builtin.features.pixels import Pixels
from ganforge.builtin.metrics.per_class_frechet import PerClassFrechet, moments_of, value_names
from ganforge.errors import DataError

METRIC = PerClassFrechet(features=Pixels(), samples=240)


def game_of(images: np.ndarray) -> LabelledGame:
    return LabelledGame(torch.from_numpy(images).float() / 127.5 - 1)


def test_a_class_that_is_shifted_is_at_the_square_of_its_shift(tmp_path: Path) -> None:
    images = noise(240, 3, 2, 2) // 2
    fakes = images.copy()
    fakes[1::3] += 51  # class 1, by 0.4 in each of 12 numbers
    found = measured(METRIC, exam_of(game_of(fakes), Labelled(images, 3), tmp_path))
    each = [found.values[f"per-class-frechet-pixels-{number}"] for number in range(3)]
    assert each == pytest.approx([0, 12 * 0.4**2, 0], abs=1e-3)
    assert found.values["per-class-frechet-pixels"] == pytest.approx(sum(each) / 3)
    assert found.values["per-class-frechet-pixels-worst"] == max(each)
    assert {"classes": 3, "fewest-of-a-class": 80, "fake": 240, "real": 240}.items() <= found.receipt.items()
    assert "80 samples are fewer than 10,000: so few are there of a class" in str(found.receipt["warning"])


def test_classes_that_changed_places_show_though_the_whole_is_the_same(tmp_path: Path) -> None:
    images = (noise(240, 3, 2, 2) // 4) + (60 * (np.arange(240) % 3)).astype(np.uint8)[:, None, None, None]
    swapped = images[(np.arange(240) // 3) * 3 + (np.arange(240) + 1) % 3]
    found = measured(METRIC, exam_of(game_of(swapped), Labelled(images, 3), tmp_path))
    assert found.values["per-class-frechet-pixels"] > 2


def test_moments_are_those_of_numpy() -> None:
    rows = torch.from_numpy(np.random.default_rng(0).normal(size=(9, 4)))
    found = moments_of(rows)
    np.testing.assert_allclose(found.mean, rows.mean(0))
    np.testing.assert_allclose(found.covariance, torch.cov(rows.T).numpy(), rtol=1e-12)


def test_classes_without_samples_are_left_out_and_named(tmp_path: Path) -> None:
    source = Labelled(noise(40, 3, 2, 2), 4)  # the game knows three
    source.spec = DataSpec((3, 2, 2), 4, ("ant", "bee", "cat", "sea horse"))
    found = measured(METRIC, exam_of(game_of(noise(240, 3, 2, 2)), source, tmp_path))
    assert {"per-class-frechet-pixels-ant", "per-class-frechet-pixels-cat"} < set(found.values)
    assert found.receipt["classes"] == 3
    assert "left out: sea horse" in str(found.receipt["warning"])
    quiet = PerClassFrechet(features=Pixels(), samples=240, each=False)
    assert set(measured(quiet, exam_of(game_of(noise(240, 3, 2, 2)), source, tmp_path)).values) == set(
        quiet.directions()
    )


@pytest.mark.parametrize(
    ("names", "called"),
    [
        (("sea horse", "ray/skate"), ["sea-horse", "ray-skate"]),
        (("über", "ßber"), ["0", "1"]),  # both would be "-ber"
        ((), ["0", "1"]),
    ],
)
def test_what_values_call_classes(names: tuple[str, ...], called: list[str]) -> None:
    assert value_names(DataSpec((3, 2, 2), 2, names)) == called


def test_what_has_no_classes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no classes"):
        METRIC.requests(ArraySource(noise(9, 3, 2, 2)))

    few = exam_of(game_of(noise(240, 3, 2, 2)), Labelled(noise(3, 3, 2, 2), 3), tmp_path)
    with pytest.raises(DataError, match="two of the 240 generated"):
        measured(METRIC, few)


def test_only_inception_features_make_a_fid() -> None:
    assert set(PerClassFrechet(features=Inception()).directions()) == {"per-class-fid", "per-class-fid-worst"}
    assert set(METRIC.directions()) == {"per-class-frechet-pixels", "per-class-frechet-pixels-worst"}
