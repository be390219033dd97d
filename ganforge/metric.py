"""How samples are examined: what a metric may ask for, and what it answers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from ganforge.data import Source
from ganforge.network import Draw


class FeatureNetwork(nn.Module, ABC):
    """Turns images, uint8 [B, 3, H, W] in 0..255 of any size, into features [B, D] float.

    It resizes and normalises as its weights want it; `name`, `weights_sha256` and `resizer` go into receipts.
    """

    name: str
    weights_sha256: str
    resizer: str

    @abstractmethod
    def forward(self, images: Tensor) -> Tensor:
        """Return features [B, D]."""


Receipt = Mapping[str, str | int | float | bool | None]


class Exam(ABC):
    """What a metric may look at: generated and real samples, as they would be saved.

    Images are uint8 [B, C, H, W]; points are float32 [B, D]; both are on `device`.
    """

    source: Source  # the reference data
    device: torch.device
    cache: Path  # a folder for reference statistics, shared by runs
    seed: int

    @abstractmethod
    def fakes(self, count: int, batch: int = 64) -> Iterator[Tensor]:
        """Yield `count` generated samples in batches; the same ones for the same seed and weights."""

    @abstractmethod
    def probe(self, question: Callable[[Draw], Tensor], count: int, batch: int = 64) -> Iterator[Tensor]:
        """Yield `question(draw)` [B, ...] for `count` draws in batches: what it takes to ask the generator itself.

        The generator is in evaluation mode, without gradients; draws are the same for the same seed.
        """

    @abstractmethod
    def classify(self, samples: Tensor) -> Tensor:
        """Return what the game itself makes of samples [B, *shape] as they would be saved: logits [B, classes]."""

    @abstractmethod
    def reals(self, count: int, batch: int = 64) -> Iterator[Tensor]:
        """Yield the first `count` real samples of a fixed shuffle, or all where there are fewer."""

    @abstractmethod
    def receipt(self) -> Receipt:
        """Return how the samples come about: seed, weights, reference and versions; metrics add how many they took."""


@dataclass(frozen=True)
class Measurement:
    """What a metric found: named values, and the receipt that says how they came about."""

    values: Mapping[str, float]
    receipt: Receipt = field(default_factory=dict)
