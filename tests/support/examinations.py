"""Small things to examine: a source of images or points, games that draw from dice, features with a known meaning."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from ganforge.api.data import Batch, DataSpec, KnownModes, Source
from ganforge.api.dice import Dice
from ganforge.api.families import Metric
from ganforge.api.game import Game, Turn
from ganforge.api.metric import FeatureNetwork, Measurement, SampleRequest, Samples, Side, View
from ganforge.evaluation.batch import FeatureNetworks
from ganforge.evaluation.examination import Examination
from ganforge.evaluation.subject import GameSubject


class ArraySource(Source):
    """The samples of an array: uint8 [N, C, H, W] or float32 [N, D]."""

    def __init__(self, samples: np.ndarray, fingerprint: str = "reference-1") -> None:
        self.samples, self.fingerprint = samples, fingerprint
        self.spec = DataSpec(tuple(samples.shape[1:]))
        self.reads = 0

    def __len__(self) -> int:
        return len(self.samples)

    def batch(self, indices: np.ndarray) -> Batch:
        self.reads += len(indices)
        return {"image": torch.from_numpy(self.samples[indices])}

    def show(self, samples: Tensor) -> Image.Image:
        raise NotImplementedError


class ModesSource(ArraySource, KnownModes):
    """Points, with the modes that they come from."""

    def __init__(self, modes: np.ndarray, std: float) -> None:
        super().__init__(modes.astype(np.float32))
        self.modes, self.std = modes, std


class DiceGame(Game):
    """Draws each number of a sample from a normal distribution of the given deviation, and adds a BatchNorm's shift."""

    def __init__(self, shape: Sequence[int], std: float = 0.5) -> None:
        super().__init__()
        self.shape, self.std, self.dice = tuple(shape), std, Dice()
        self.norm, self.frozen = nn.BatchNorm1d(1), nn.BatchNorm1d(1).eval()
        self.modes: list[bool] = []

    def turns(self) -> Sequence[Turn]:
        return []

    def sample(self, count: int, labels: Tensor | None = None, truncation: float = 1.0) -> Tensor:
        self.modes.append(self.training or self.norm.training or torch.is_grad_enabled())
        numbers = self.dice.normal(count, *self.shape) * self.std * truncation
        return self.norm(numbers.reshape(count, 1, -1)).reshape(count, *self.shape)


class ConstantGame(DiceGame):
    """Gives the same samples again and again, in order."""

    def __init__(self, samples: Tensor) -> None:
        super().__init__(samples.shape[1:])
        self.samples = samples

    def sample(self, count: int, labels: Tensor | None = None, truncation: float = 1.0) -> Tensor:
        assert self.dice.last is not None
        start = self.dice.last.start
        return self.samples[torch.arange(start, start + count) % len(self.samples)]


class DrawnGame(DiceGame):
    """Its samples are what its draws make."""

    def sample(self, count: int, labels: Tensor | None = None, truncation: float = 1.0) -> Tensor:
        draw = self.draw(count, labels)
        return draw.generator(draw.latents, draw.labels)


class MeanColours(FeatureNetwork):
    """The mean of each channel, in 0..255."""

    name, weights_sha256, resizer = "mean-colours", "0" * 64, "none"

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        assert images.dtype == torch.uint8
        assert images.shape[1] == 3
        return {"features": images.float().mean((2, 3))}


def noise(count: int, *shape: int, seed: int = 0) -> np.ndarray:
    """Images of noise, uint8 [count, *shape]."""
    return np.random.default_rng(seed).integers(0, 256, (count, *shape), dtype=np.uint8)


def exam_of(game: Game, source: Source, cache: Path, seed: int = 5, truncation: float = 1.0) -> Examination:
    networks = FeatureNetworks(torch.device("cpu"))
    subject = GameSubject(game, source.spec, networks, seed, truncation=truncation, ema=True)
    return Examination(subject, source, networks, cache, seed)


def looked_at(exam: Examination, count: int, of: Side = "generated", view: View | None = None) -> Tensor:
    """The rows of a view, of the samples themselves unless another is named."""
    view = view or Samples()
    exam.gather([SampleRequest(view, count, of)])
    return exam.rows(view, count, of)


def measured(metric: Metric, exam: Examination) -> Measurement:
    """What a metric alone finds."""
    exam.gather(metric.requests(exam.source))
    return metric.measure(exam)
