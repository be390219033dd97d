"""LPIPS of all pairs and to the nearest training image: against pairs taken one by one, and copies."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from support.examinations import ArraySource, ConstantGame, DiceGame, exam_of, looked_at, measured, noise
from support.labelled import Labelled, LabelledGame
from torch import Tensor
from torch.nn import functional as F

from ganforge.api.data import Source
from ganforge.api.families import Dataset
from ganforge.api.metric import FeatureNetwork
from ganforge.builtin.features.lpips import Lpips
from ganforge.builtin.features.pixels import Pixels
from ganforge.builtin.metrics.lpips_diversity import LpipsDiversity
from ganforge.builtin.metrics.lpips_nearest import LpipsNearest
from ganforge.errors import DataError

R = 16


class Told(FeatureNetwork):
    """What a small convolution tells, as `Lpips` does: a vector for the whole image, and a short one beside it."""

    name, weights_sha256, resizer = "made-up", "2" * 64, "none"

    def __init__(self) -> None:
        super().__init__()
        kernel = torch.randn(5, 3, 4, 4, generator=torch.Generator().manual_seed(0))
        self.register_buffer("kernel", kernel)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        seen = F.conv2d(images.float() / 255, self.get_buffer("kernel"), stride=4).relu()
        return {"features": seen.mean((2, 3)), "perceptual": seen.flatten(1)}


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> FeatureNetwork:
    """What every `Lpips` builds."""
    built = Told()
    monkeypatch.setattr(Lpips, "build", lambda self: built)
    return built


def game_of(images: np.ndarray) -> ConstantGame:
    return ConstantGame(torch.from_numpy(images).float() / 127.5 - 1)


def lpips(network: FeatureNetwork, one: np.ndarray, two: np.ndarray) -> float:
    told = [network(torch.from_numpy(image[None]))["perceptual"].double() for image in (one, two)]
    return float((told[0] - told[1]).square().sum())


def test_diversity_is_the_mean_over_all_pairs(network: FeatureNetwork, tmp_path: Path) -> None:
    fakes, real = noise(7, 3, R, R), noise(6, 3, R, R, seed=1) // 2
    found = measured(LpipsDiversity(samples=7), exam_of(game_of(fakes), ArraySource(real), tmp_path))
    for name, images in (("lpips-diversity", fakes), ("lpips-diversity-of-real", real)):
        pairs = [lpips(network, one, two) for one, two in combinations(images, 2)]
        assert found.values[name] == pytest.approx(np.mean(pairs), rel=1e-5)
    assert len(found.values) == 2, "there are no classes"
    assert {"features": "made-up", "fake": 7, "real": 6, "pairs": "all"}.items() <= found.receipt.items()


def test_one_image_has_no_diversity(network: FeatureNetwork, tmp_path: Path) -> None:
    exam = exam_of(game_of(noise(1, 1, R, R)), ArraySource(noise(4, 1, R, R)), tmp_path)
    assert measured(LpipsDiversity(samples=5), exam).values["lpips-diversity"] == pytest.approx(0, abs=1e-9)


def test_within_classes_and_with_other_features(tmp_path: Path) -> None:
    fakes, real = noise(30, 3, 4, 4), noise(12, 3, 4, 4, seed=1) // 2
    game = LabelledGame(torch.from_numpy(fakes).float() / 127.5 - 1)
    metric = LpipsDiversity(features=Pixels(), samples=30)
    exam = exam_of(game, Labelled(real, 3), tmp_path)
    found = measured(metric, exam)
    assert list(found.values) == [
        "feature-diversity-pixels",
        "feature-diversity-pixels-within-classes",
        "feature-diversity-pixels-of-real",
        "feature-diversity-pixels-within-classes-of-real",
    ]
    assert set(found.values) == set(metric.directions()), "and never called LPIPS"
    flat = fakes.reshape(30, -1) / 127.5 - 1
    squares = cdist(flat, flat, "sqeuclidean")
    classes = np.arange(30) % 3
    apart = ~np.eye(30, dtype=bool)
    assert found.values["feature-diversity-pixels"] == pytest.approx(squares[apart].mean(), rel=1e-5)
    within = [squares[np.ix_(classes == c, classes == c)].sum() / 90 for c in range(3)]
    assert found.values["feature-diversity-pixels-within-classes"] == pytest.approx(np.mean(within), rel=1e-5)


def test_the_nearest_is_found_and_the_real_ones_are_beside_it(network: FeatureNetwork, tmp_path: Path) -> None:
    real, fakes = noise(9, 3, R, R), noise(4, 3, R, R, seed=1)
    fakes[0] = real[5]
    exam = exam_of(game_of(fakes), ArraySource(real), tmp_path)
    found = measured(LpipsNearest(samples=4, candidates=7), exam)
    least = [sorted(lpips(network, fake, image) for image in real) for fake in fakes]
    assert least[0][0] == 0
    assert found.values["lpips-nearest"] <= np.mean([near[1] for near in least])
    small = [np.asarray(Pixels(size=16).build()(torch.from_numpy(x))["features"]) for x in (fakes, real)]
    candidates = np.argsort(cdist(*small), axis=1)[:, :7]
    of_fakes = [min(lpips(network, fakes[i], real[j]) for j in candidates[i]) for i in range(4)]
    assert found.values["lpips-nearest"] == pytest.approx(np.mean(of_fakes), rel=1e-5)
    ordered = looked_at(exam, 4, "real").numpy()
    of_real = [sorted(lpips(network, one, two) for two in real if not np.array_equal(one, two)) for one in ordered]
    least, second = (np.mean([near[place] for near in of_real]) for place in (0, 1))
    assert least - 1e-9 <= found.values["lpips-nearest-of-real"] <= second, "of the eight others, seven are compared"
    assert {"search": "pixels-16", "candidates": 7, "fake": 4, "real": 9}.items() <= found.receipt.items()


def test_copies_are_near_even_where_the_search_is_coarse(tmp_path: Path) -> None:
    real = noise(60, 3, 8, 8)
    metric = LpipsNearest(features=Pixels(), search=Pixels(size=2), candidates=1, samples=20)
    found = measured(metric, exam_of(game_of(real[:20]), ArraySource(real), tmp_path))
    assert set(found.values) == set(metric.directions()) == {"feature-nearest-pixels", "feature-nearest-pixels-of-real"}
    assert found.values["feature-nearest-pixels"] == pytest.approx(0, abs=1e-9)
    # uniform noise in [-1, 1]: two images differ by 2/3 in each of 192 numbers, squared, on average
    assert found.values["feature-nearest-pixels-of-real"] == pytest.approx(128, rel=0.1)


def test_mirror_images_in_the_data_are_no_neighbours(tmp_path: Path) -> None:
    real = noise(20, 3, 8, 8)
    both = np.concatenate([real, real[..., ::-1]])
    metric = LpipsNearest(features=Pixels(), search=Pixels(size=1), candidates=2, samples=40)
    found = measured(metric, exam_of(game_of(real), ArraySource(both), tmp_path))
    near = nearly_alike(both)
    assert found.values["feature-nearest-pixels-of-real"] == pytest.approx(near, rel=1e-5)


def nearly_alike(both: np.ndarray) -> float:
    """Mean squared distance to the nearer of the two that mean colours are nearest of, but the image and its twin."""
    flat, colours = both.reshape(len(both), -1) / 127.5 - 1, both.mean((2, 3)) / 127.5 - 1
    across = cdist(colours, colours)
    for number in range(len(both)):
        across[number, [number, (number + 20) % 40]] = np.inf
    nearest = np.argsort(across, axis=1)[:, :2]  # an image and its twin have the same colours: both are compared
    return float(np.mean([cdist(flat[i, None], flat[nearest[i]], "sqeuclidean").min() for i in range(len(both))]))


class Given(Dataset):
    """Some noise."""

    kind: Literal["given"] = "given"
    seed: int

    def open(self, cache: Path) -> Source:
        return ArraySource(noise(30, 3, 8, 8, seed=self.seed), f"given-{self.seed}")


def test_training_data_can_be_named(tmp_path: Path) -> None:
    exam = exam_of(game_of(noise(9, 3, 8, 8, seed=3)), ArraySource(noise(30, 3, 8, 8, seed=4)), tmp_path)
    metric = LpipsNearest(features=Pixels(), samples=9, trained_on=Given(seed=3))
    found = measured(metric, exam)
    assert found.values["feature-nearest-pixels"] == pytest.approx(0, abs=1e-9)
    assert found.receipt["trained-on"] == "given-3"


def test_too_few_are_refused(tmp_path: Path) -> None:
    one = exam_of(DiceGame((1, 4, 4)), ArraySource(noise(1, 1, 4, 4)), tmp_path)
    with pytest.raises(DataError, match="at least 2 real"):
        measured(LpipsDiversity(features=Pixels()), one)
    with pytest.raises(DataError, match="needs 6 training images or more, and there are 1"):
        measured(LpipsNearest(features=Pixels(), samples=2), one)
