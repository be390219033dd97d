"""Fréchet distance: against closed forms, scipy and torch-fidelity; its receipt; the cache of reference statistics."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import scipy.linalg
import torch
import torch_fidelity
from support.examinations import ArraySource, ConstantGame, DiceGame, MeanColours, exam_of, measured, noise
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import Dataset
from torch_fidelity.feature_extractor_base import FeatureExtractorBase
from torch_fidelity.registry import FEATURE_EXTRACTORS_REGISTRY

from ganforge.api.families import Features
from ganforge.api.metric import FeatureNetwork, FeatureOutput, Moments, SampleRequest, Side
from ganforge.builtin.features.inception import Inception
from ganforge.builtin.metrics.fid import FrechetDistance
from ganforge.builtin.metrics.parts.frechet_distance import frechet_distance
from ganforge.errors import DataError


class Colours(Features):
    """Mean colours."""

    kind: Literal["mean-colours"] = "mean-colours"

    def build(self) -> FeatureNetwork:
        return MeanColours()


def metric(**fields: object) -> FrechetDistance:
    return FrechetDistance.model_validate({"features": Colours(), "samples": 64, **fields})


def gaussian(size: int, seed: int) -> Moments:
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(size, size))
    return Moments(rng.normal(size=size), root @ root.T / size + 0.1 * np.eye(size), 100)


def test_the_distance_of_gaussians_whose_covariances_commute() -> None:
    # |m1 - m2|^2 + sum (s1 - s2)^2 for diagonal covariances s^2 (Dowson & Landau 1982, eq. 16)
    m1, m2 = np.array([0.0, 1.0, 2.0]), np.array([1.0, 1.0, 0.0])
    s1, s2 = np.array([1.0, 2.0, 0.5]), np.array([3.0, 2.0, 0.1])
    found = frechet_distance(Moments(m1, np.diag(s1**2), 9), Moments(m2, np.diag(s2**2), 9))
    assert found == pytest.approx(5.0 + 4.0 + 0.16, rel=1e-12)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_distance_agrees_with_scipys_matrix_root(seed: int) -> None:
    one, two = gaussian(12, seed), gaussian(12, seed + 100)
    root = scipy.linalg.sqrtm(one.covariance @ two.covariance).real
    expected = np.sum((one.mean - two.mean) ** 2) + np.trace(one.covariance + two.covariance - 2 * root)
    assert frechet_distance(one, two) == pytest.approx(expected, rel=1e-9)
    assert frechet_distance(one, one) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("of", ["generated", "real"])
@pytest.mark.parametrize("count", [100, 7])
def test_moments_are_the_mean_and_the_unbiased_covariance_of_the_rows(of: Side, count: int, tmp_path: Path) -> None:
    exam, view = exam_of(DiceGame((3, 4, 4)), ArraySource(noise(120, 3, 4, 4)), tmp_path), FeatureOutput(Colours())
    exam.gather([SampleRequest(view, count, of), SampleRequest(view, count, of, "moments")])
    rows, found = exam.rows(view, count, of).double(), exam.moments(view, count, of)
    assert rows.shape == (count, 3)
    np.testing.assert_allclose(found.mean, rows.mean(0).numpy(), rtol=1e-12)
    np.testing.assert_allclose(found.covariance, torch.cov(rows.T).numpy(), rtol=1e-8, atol=1e-9)
    assert found.count == count


def test_the_same_images_are_at_distance_zero_and_shifted_ones_at_the_square_of_the_shift(tmp_path: Path) -> None:
    images = noise(80, 3, 4, 4) // 2
    same = ConstantGame(torch.from_numpy(images).float() / 127.5 - 1)
    shifted = ConstantGame((torch.from_numpy(images).float() + 10) / 127.5 - 1)
    found = measured(metric(samples=80), exam_of(same, ArraySource(images), tmp_path))
    assert found.values["frechet-mean-colours"] == pytest.approx(0, abs=1e-2)
    found = measured(metric(samples=80), exam_of(shifted, ArraySource(images), tmp_path))
    assert found.values["frechet-mean-colours"] == pytest.approx(3 * 10**2, rel=1e-4)


def test_the_receipt_is_complete(tmp_path: Path) -> None:
    exam = exam_of(DiceGame((1, 4, 4)), ArraySource(noise(50, 1, 4, 4)), tmp_path, truncation=0.8)
    receipt = measured(metric(real=40), exam).receipt
    expected = {"features": "mean-colours", "weights-sha256": "0" * 64, "resizer": "none", "real": 40, "fake": 64}
    assert expected.items() <= receipt.items()
    assert {"reference": "reference-1", "seed": 5, "truncation": 0.8, "ema": True}.items() <= receipt.items()
    assert {"dtype", "ganforge", "torch", "torch-fidelity"} <= receipt.keys()
    assert "10,000" in str(receipt["warning"])
    assert measured(metric(), exam).receipt["real"] == 50, "without a number, all real samples are compared"


def test_enough_samples_are_not_warned_about(tmp_path: Path) -> None:
    exam = exam_of(DiceGame((1, 1, 1)), ArraySource(noise(50, 1, 1, 1)), tmp_path)
    assert measured(metric(samples=10_000), exam).receipt["warning"] is None


@pytest.mark.parametrize("channels", [2, 4])
def test_images_of_other_channels_are_refused(channels: int, tmp_path: Path) -> None:
    exam = exam_of(DiceGame((channels, 4, 4)), ArraySource(noise(8, channels, 4, 4)), tmp_path)
    with pytest.raises(DataError, match="1 or 3 channels"):
        measured(metric(), exam)


def test_grey_images_are_compared_as_colour_images_of_three_equal_channels(tmp_path: Path) -> None:
    grey, fakes = noise(60, 1, 4, 4), torch.from_numpy(noise(64, 1, 4, 4, seed=1)).float() / 127.5 - 1
    one = measured(metric(), exam_of(ConstantGame(fakes), ArraySource(grey, "grey"), tmp_path))
    colour = ArraySource(np.repeat(grey, 3, axis=1), "colour")
    other = measured(metric(), exam_of(ConstantGame(fakes.expand(-1, 3, -1, -1)), colour, tmp_path))
    assert one.values == other.values


def test_reference_statistics_are_kept_and_belong_to_one_reference(tmp_path: Path) -> None:
    game, images = DiceGame((1, 4, 4)), noise(50, 1, 4, 4)
    first = ArraySource(images)
    value = measured(metric(), exam_of(game, first, tmp_path)).values
    assert first.reads > 0
    again = ArraySource(images)
    assert measured(metric(), exam_of(game, again, tmp_path)).values == value
    assert again.reads == 0, "the statistics were kept"
    other = ArraySource(images // 2, "reference-2")
    assert measured(metric(), exam_of(game, other, tmp_path)).values != value
    assert other.reads > 0, "another fingerprint is another reference"
    fewer = ArraySource(images)
    measured(metric(real=20), exam_of(game, fewer, tmp_path))
    assert fewer.reads > 0, "another number of real samples is another reference"
    assert {path.suffix for path in tmp_path.iterdir()} == {".safetensors"}


@pytest.mark.parametrize("field", ["name", "weights_sha256", "resizer"])
def test_reference_statistics_belong_to_one_feature_network(
    field: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    game, images = DiceGame((1, 4, 4)), noise(50, 1, 4, 4)
    measured(metric(), exam_of(game, ArraySource(images), tmp_path))
    monkeypatch.setattr(MeanColours, field, "another")
    source = ArraySource(images)
    measured(metric(), exam_of(game, source, tmp_path))
    assert source.reads > 0


def test_damaged_statistics_are_computed_again_and_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    game, images = DiceGame((1, 4, 4)), noise(50, 1, 4, 4)
    value = measured(metric(), exam_of(game, ArraySource(images), tmp_path)).values
    (kept,) = tmp_path.iterdir()
    kept.write_bytes(kept.read_bytes()[:20])
    assert measured(metric(), exam_of(game, ArraySource(images), tmp_path)).values == value
    assert kept.name in caplog.text
    again = ArraySource(images)
    measured(metric(), exam_of(game, again, tmp_path))
    assert again.reads == 0


class RandomFeatures(FeatureNetwork):
    """Sixteen features of a fixed random convolution."""

    name, weights_sha256, resizer = "random-features", "1" * 64, "none"

    def __init__(self) -> None:
        super().__init__()
        kernel = torch.randn(16, 3, 5, 5, generator=torch.Generator().manual_seed(0))
        self.register_buffer("kernel", kernel)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        return {"features": F.conv2d(images.float() / 255, self.get_buffer("kernel")).relu().mean((2, 3))}


class Random(Features):
    """A fixed random convolution."""

    kind: Literal["random-features"] = "random-features"

    def build(self) -> FeatureNetwork:
        return RandomFeatures()


class Wrapped(FeatureExtractorBase):
    """The same features in the form that torch-fidelity takes."""

    def __init__(self, name: str, features_list: list[str], **_: object) -> None:
        super().__init__(name, features_list)
        self.network = RandomFeatures()

    def forward(self, images: Tensor) -> tuple[Tensor]:
        return (self.network(images)["features"],)

    @staticmethod
    def get_provided_features_list() -> tuple[str, ...]:
        return ("pooled",)

    @staticmethod
    def get_default_feature_layer_for_metric(metric: str) -> str:
        return "pooled"

    @staticmethod
    def can_be_compiled() -> bool:
        return False


class Images(Dataset[Tensor]):
    def __init__(self, images: np.ndarray) -> None:
        self.images = torch.from_numpy(images)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Tensor:
        return self.images[index]


def test_the_value_is_torch_fidelitys_own_for_the_same_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FEATURE_EXTRACTORS_REGISTRY, "random-features", Wrapped)
    real, fake = noise(90, 3, 8, 8), (noise(64, 3, 8, 8, seed=1) * 0.8).astype(np.uint8)
    expected = torch_fidelity.calculate_metrics(
        input1=Images(fake),
        input2=Images(real),
        fid=True,
        feature_extractor="random-features",
        cuda=False,
        cache=False,
        verbose=False,
        save_cpu_ram=True,
    )["frechet_inception_distance"]
    game = ConstantGame(torch.from_numpy(fake).float() / 127.5 - 1)
    found = measured(metric(features=Random()), exam_of(game, ArraySource(real), tmp_path))
    assert expected > 0.01
    assert found.values == {"frechet-random-features": pytest.approx(expected, rel=1e-6)}


def test_only_inception_features_make_a_fid(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert FrechetDistance().value_name == "fid"
    assert metric().value_name == "frechet-mean-colours"
    monkeypatch.setattr(Inception, "build", lambda self: MeanColours())
    exam = exam_of(DiceGame((1, 4, 4)), ArraySource(noise(50, 1, 4, 4)), tmp_path)
    found = measured(FrechetDistance(samples=64), exam)
    assert set(found.values) == {"fid"}
    assert "not the published ones" in str(found.receipt["warning"])
