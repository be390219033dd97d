"""Memorisation: planted copies are found, fresh samples are not; the test is scipy's; distances are what they are."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import scipy.stats
import torch
from scipy.spatial.distance import cdist
from support.examinations import ArraySource, ConstantGame, exam_of, measured

from ganforge.api.data import Source
from ganforge.api.families import Dataset
from ganforge.api.metric import Measurement
from ganforge.builtin.features.inception import Inception
from ganforge.builtin.features.pixels import Pixels
from ganforge.builtin.metrics.memorisation import Memorisation, cells_of, data_copying
from ganforge.errors import DataError

TRAIN = 1_500


def pictures(count: int, seed: int) -> np.ndarray:
    """Images of a distribution with few dimensions: smooth mixtures of six fixed patterns."""
    patterns = np.random.default_rng(99).normal(size=(6, 3 * 4 * 4))
    mixed = np.random.default_rng(seed).normal(size=(count, 6)) @ patterns
    return np.clip(128 + 15 * mixed, 0, 255).round().astype(np.uint8).reshape(count, 3, 4, 4)


class Given(Dataset):
    """Some pictures."""

    kind: Literal["given"] = "given"
    seed: int
    count: int = 500
    side: int = 4

    def open(self, cache: Path) -> Source:
        found = pictures(self.count, self.seed)[:, :, : self.side, : self.side]
        return ArraySource(found, f"given-{self.seed}-{self.count}")


def found(fakes: np.ndarray, cache: Path, real: np.ndarray | None = None, **fields: object) -> Measurement:
    real = pictures(TRAIN, 0) if real is None else real
    metric = Memorisation.model_validate({"features": Pixels(), "samples": len(fakes), **fields})
    game = ConstantGame(torch.from_numpy(fakes).float() / 127.5 - 1)
    return measured(metric, exam_of(game, ArraySource(real, f"{len(real)}-{real.sum()}"), cache))


def test_fresh_samples_are_not_called_copies(tmp_path: Path) -> None:
    values = found(pictures(1_000, 1), tmp_path).values
    # 1 % of 1,000, of which the deviation is 0.3 %, beside a quantile of 1,000 that is as rough
    assert values["memorised-pixels"] < 0.025
    assert values["nearest-train-ratio-pixels"] == pytest.approx(1, abs=0.08)
    assert abs(values["data-copying-pixels"]) < 3


@pytest.mark.parametrize("share", [0.1, 0.5, 1.0])
def test_planted_copies_are_found_by_their_share(share: float, tmp_path: Path) -> None:
    fakes, copies = pictures(1_000, 1), int(1_000 * share)
    fakes[:copies] = pictures(TRAIN, 0)[:copies]
    values = found(fakes, tmp_path).values
    assert values["memorised-pixels"] == pytest.approx(share, abs=0.02)
    if share >= 0.5:
        assert values["nearest-train-ratio-pixels"] < 0.7
        assert values["data-copying-pixels"] < -3


def test_near_copies_are_found(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    copies = pictures(TRAIN, 0)[:500].astype(int) + rng.integers(-2, 3, (500, 3, 4, 4))
    values = found(np.clip(copies, 0, 255).astype(np.uint8), tmp_path).values
    assert values["memorised-pixels"] > 0.95
    assert values["data-copying-pixels"] < -5


def test_samples_unlike_any_are_no_copies(tmp_path: Path) -> None:
    noise = np.random.default_rng(4).integers(0, 256, (500, 3, 4, 4), dtype=np.uint8)
    values = found(noise, tmp_path).values
    assert values["memorised-pixels"] == 0
    assert values["nearest-train-ratio-pixels"] > 1.5
    assert values["data-copying-pixels"] > 5


def test_copies_within_the_training_data_do_not_hide_copies_of_it(tmp_path: Path) -> None:
    real = pictures(TRAIN, 0)
    real[TRAIN // 2 :] = real[: TRAIN - TRAIN // 2]
    real[:100] = pictures(100, 7)  # some that are there once
    measurement = found(real[200:700], tmp_path, real)
    assert measurement.values["memorised-pixels"] == 1
    assert int(str(measurement.receipt["copies-among-real"])) > 400


def test_held_out_samples_take_the_place_of_training_ones_and_training_data_can_be_named(tmp_path: Path) -> None:
    fakes = pictures(500, 1)
    held = found(fakes, tmp_path, held_out=Given(seed=2))
    assert held.receipt["compared-with"] == "given-2-500"
    train, out = pictures(TRAIN, 0), pictures(500, 2)
    expected = np.median(nearest_of(fakes, train)) / np.median(nearest_of(out, train))
    assert held.values["nearest-train-ratio-pixels"] == pytest.approx(expected, rel=1e-6)
    named = found(fakes, tmp_path, pictures(100, 8), trained_on=Given(seed=0, count=TRAIN), held_out=Given(seed=2))
    assert named.values == pytest.approx(held.values), "the reference is not asked"
    assert named.receipt["trained-on"] == f"given-0-{TRAIN}"
    with pytest.raises(DataError, match=r"memorisation.held_out: .* \[3, 2, 2\]"):
        found(fakes, tmp_path, held_out=Given(seed=2, side=2))


def test_mirror_images_in_the_data_are_not_what_is_typical(tmp_path: Path) -> None:
    symmetric = pictures(TRAIN, 0).astype(int)
    symmetric = (symmetric + symmetric[..., ::-1]) // 2
    real = symmetric + np.random.default_rng(6).integers(-2, 3, symmetric.shape)  # each nearly its own mirror image
    real = np.clip(real, 0, 255).astype(np.uint8)
    plain = found(real[1_000:], tmp_path, real[:1_000])
    both = found(real[1_000:], tmp_path, np.concatenate([real[:1_000], real[:1_000, ..., ::-1]]))
    assert both.values["nearest-train-ratio-pixels"] == pytest.approx(
        plain.values["nearest-train-ratio-pixels"], abs=0.1
    )


def nearest_of(images: np.ndarray, to: np.ndarray) -> np.ndarray:
    flat = [x.reshape(len(x), -1) / 127.5 - 1 for x in (images, to)]
    return cdist(*flat).min(1)


def test_the_score_is_scipys_mann_whitney_test_weighted_by_cells() -> None:
    rng = np.random.default_rng(5)
    fake, real = rng.normal(size=200).round(1), (rng.normal(size=150) + 0.3).round(2)
    of_fake, of_real = rng.integers(0, 3, 200), rng.integers(0, 3, 150)

    def z(one: np.ndarray, two: np.ndarray) -> float:
        u = scipy.stats.mannwhitneyu(one, two).statistic
        m, n = len(one), len(two)
        return float((u - m * n / 2) / np.sqrt(m * n * (m + n + 1) / 12))

    distances = [torch.from_numpy(fake), torch.from_numpy(real)]
    one_cell = data_copying([np.zeros(200), np.zeros(150)], distances)
    assert one_cell == pytest.approx(z(fake, real), rel=1e-12)
    expected = [(np.sum(of_real == c), z(fake[of_fake == c], real[of_real == c])) for c in range(3)]
    weighted = sum(n * score for n, score in expected) / 150
    assert data_copying([of_fake, of_real], distances) == pytest.approx(weighted, rel=1e-12)


def test_cells_are_places_in_space() -> None:
    corners = torch.tensor([[0.0, 0.0], [9.0, 0.0], [0.0, 9.0]])
    train = corners.repeat(30, 1) + 0.1 * torch.randn(90, 2, generator=torch.Generator().manual_seed(0))
    (found_cells,) = cells_of(train, [corners], 3)
    assert len(set(found_cells.tolist())) == 3


def test_names_and_few_real_samples(tmp_path: Path) -> None:
    assert set(Memorisation(features=Inception()).directions()) == {"memorised", "nearest-train-ratio", "data-copying"}
    assert "few samples" in str(found(pictures(50, 1), tmp_path).receipt["warning"])
    with pytest.raises(DataError, match="more than 20 real"):
        found(pictures(50, 1), tmp_path, pictures(10, 0))
