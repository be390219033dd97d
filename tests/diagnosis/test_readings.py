"""Readings of samples that can be worked out by hand, and of data with something wrong."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from battery.planted import PlantedData
from support.paths import SHARED_DATA
from support.toys import ToySource

from ganforge.api.data import DataSpec
from ganforge.api.monitor import LogLine
from ganforge.api.plan import Plan
from ganforge.builtin.data.images import Images
from ganforge.builtin.monitors.exchanged_channels import ExchangedChannels
from ganforge.diagnosis.readings import data_readings, distances, roughness, sample_readings

CIFAR10 = SHARED_DATA / "cifar10_train.zip"


def read(samples: torch.Tensor, classes: torch.Tensor | None = None) -> dict[str, float]:
    return {name: float(value) for name, value in sample_readings(samples, classes).items()}


def test_samples_that_are_all_one():
    found = read(torch.full((4, 3, 16, 16), 0.25))
    assert found["mean"] == found["min"] == found["max"] == 0.25
    for name in ("variance", "distance", "nearest", "contrast", "roughness"):
        assert found[name] == pytest.approx(0, abs=1e-6)
    assert found["duplicates"] == 1


def test_two_kinds_of_samples():
    black, white = torch.full((1, 8, 8), -1.0), torch.full((1, 8, 8), 1.0)
    found = read(torch.stack([black, white, white + 0.5]))
    assert found["max"] == 1.5
    assert found["variance"] == pytest.approx(np.var([-1, 1, 1.5]))
    assert found["distance"] == pytest.approx((2 + 2.5 + 0.5) / 3)
    assert found["nearest"] == pytest.approx(0.5)
    assert found["duplicates"] == 0
    assert read(torch.stack([black, white, white + 0.01]))["duplicates"] == pytest.approx(2 / 3)


def test_distances_are_of_small_pictures():
    chessboard = (torch.arange(16)[:, None] + torch.arange(16)) % 2 * 2.0 - 1
    assert float(distances(torch.stack([chessboard, -chessboard])[:, None])[0, 1]) == pytest.approx(0, abs=1e-6)


def test_roughness_of_noise_is_one_and_of_a_ramp_almost_none():
    noise = torch.randn(64, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    assert [float(part) for part in roughness(noise)] == pytest.approx([1, 1], abs=0.02)
    ramp = torch.linspace(-1, 1, 32).expand(1, 1, 32, 32)
    down, across = map(float, roughness(ramp))
    step, spread = 2 / 31, np.var(np.linspace(-1, 1, 32))
    assert down == 0
    assert across == pytest.approx(step**2 / (2 * spread))


def test_contrast_is_within_an_image_and_a_channel():
    plain = torch.stack([torch.full((8, 8), value) for value in (-1.0, 0.0, 1.0)])
    found = read(torch.stack([plain, -plain]))
    assert found["contrast"] == pytest.approx(0, abs=1e-6), "each channel is flat, though they differ"
    halves = torch.cat([torch.full((3, 8, 4), -0.5), torch.full((3, 8, 4), 0.5)], 2)
    assert read(torch.stack([halves, halves]))["contrast"] == pytest.approx(0.5)


def test_the_least_distance_within_a_class():
    values = torch.tensor([0.0, 0.1, 0.0, 0.8, 0.5])
    samples, classes = values[:, None, None, None].expand(5, 1, 8, 8), torch.tensor([0, 0, 1, 1, 2])
    assert read(samples, classes)["least_class_distance"] == pytest.approx(0.1)
    assert "least_class_distance" not in read(samples, torch.arange(5)), "there is nothing to compare within a class"


def test_points():
    found = read(torch.tensor([[0.0, 0.0], [3.0, 4.0], [3.0, 4.0]]))
    assert found["distance"] == pytest.approx(2 / 3 * 5 / math.sqrt(2))
    assert found["duplicates"] == pytest.approx(2 / 3)
    assert {"contrast", "roughness"}.isdisjoint(found)


def source_of(samples: np.ndarray, classes: int = 0) -> ToySource:
    source = ToySource(DataSpec(samples.shape[1:], classes), len(samples))
    source.samples = samples
    return source


def photographs(count: int, size: int = 16) -> np.ndarray:
    """Smooth coloured pictures."""
    numbers = np.random.default_rng(1)
    down, across = np.linspace(-1, 1, size)[:, None], np.linspace(-1, 1, size)[None]
    slopes, colours = numbers.uniform(-60, 60, (2, count, 1, 1, 1)), numbers.uniform(-20, 20, (count, 3, 1, 1))
    return (127 + slopes[0] * down + slopes[1] * across + colours).astype(np.uint8)


def test_checks_of_sound_data():
    found = data_readings(source_of(photographs(60), classes=3))
    assert (found["count"], found["duplicates"], found["constant"], found["grey"]) == (60, 0, 0, 0)
    assert (found["labelled"], found["classes_seen"], found["largest_class"]) == (1, 3, pytest.approx(1 / 3))
    assert found["channel_distance"] < 1
    assert found["roughness_down"] < 0.1
    assert found["roughness_across"] < 0.1
    assert -1 <= found["min"] < found["max"] <= 1


def test_checks_see_what_is_wrong():
    one = photographs(1).repeat(50, 0)
    assert data_readings(source_of(one))["duplicates"] == pytest.approx(0.98)
    flat = photographs(10)
    flat[:5] = 7
    assert data_readings(source_of(flat))["constant"] == 0.5
    grey = photographs(10)[:, :1].repeat(3, 1)
    assert data_readings(source_of(grey))["grey"] == 1
    blue = np.full((10, 3, 16, 16), 100, np.uint8)
    blue[:6, 2] += 50  # six are blue, two are red below, two are grey
    blue[6:8, 0, 8:] += 40
    found = data_readings(source_of(blue))
    assert (found["cool"], found["warm"]) == (pytest.approx(0.6), pytest.approx(0.2))
    assert found["sky"] == pytest.approx(0.2 * 40 / 127.5)
    scrambled = np.ascontiguousarray(photographs(20).transpose(0, 2, 3, 1)).reshape(20, 3, 16, 16)
    found, sound = data_readings(source_of(scrambled)), data_readings(source_of(photographs(20)))
    assert found["roughness_across"] > 10 * sound["roughness_across"], "neighbours are of different colours"
    assert found["channel_distance"] > 2 * sound["channel_distance"]


@pytest.mark.skipif(not CIFAR10.is_file(), reason="CIFAR-10 is not on this machine")
def test_exchanged_channels_of_real_photographs_are_told_and_others_are_not(tmp_path: Path):
    """Three thousand images, as they are and with blue for red: shares of both are exchanged, too."""
    data = Images(path=str(CIFAR10), resolution=32, limit=3_000)
    sound = data_readings(data.open(tmp_path))
    found = data_readings(PlantedData(data=data, defect="exchanged").open(tmp_path))
    assert (found["warm"], found["cool"]) == (sound["cool"], sound["warm"])
    assert found["sky"] == pytest.approx(-sound["sky"], abs=1e-6)
    lines = [LogLine.of(0, 0, {f"data/{name}": value for name, value in one.items()}) for one in (sound, found)]
    said = [ExchangedChannels().build(Plan({})).look(line) for line in lines]
    assert [[finding.name for finding in one] for one in said] == [[], ["exchanged-channels"]]
