"""Examination of samples: what a metric may ask for, and what it answers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from ganforge.api.data import Source
from ganforge.api.dice import Dice
from ganforge.api.network import Draw
from ganforge.errors import GanforgeError

Receipt = Mapping[str, str | int | float | bool | None]  # how a value came about
Side = Literal["generated", "real"]  # whose samples are looked at


class EvaluationInterruptedError(Exception):
    """An examination was cut short because the run is to end; it is done again when the run goes on."""


class FeatureNetwork(nn.Module, ABC):
    """Turns images, uint8 [B, 3, H, W] in 0..255 of any size, into what metrics compare.

    It resizes and normalises as its weights want it; `name`, `weights_sha256` and `resizer` go into receipts.
    """

    name: str
    weights_sha256: str
    resizer: str

    @abstractmethod
    def forward(self, images: Tensor) -> Mapping[str, Tensor]:
        """Return what one forward tells: `features` [B, D], and other outputs [B, ...] such as `logits` by name."""


class UnroundedFeatureNetwork(FeatureNetwork):
    """A feature network that takes images that were not rounded, too: float32 in 0..255, or a little beyond."""


class FeatureBuilder(Protocol):
    """A component of the family `features`: two equal ones are built once."""

    @property
    def kind(self) -> str:
        """What it is called."""

    def build(self) -> FeatureNetwork:
        """Load the network."""

    def __hash__(self) -> int: ...


class ExaminedBatch(ABC):
    """One batch under examination. Each thing is made when it is first asked for, and once."""

    @property
    @abstractmethod
    def samples(self) -> Tensor:
        """The samples as they would be saved: images uint8 [B, C, H, W], points float32 [B, D]."""

    @property
    @abstractmethod
    def labels(self) -> Tensor | None:
        """Their labels, [B] or [B, K]; None where there are none."""

    @property
    @abstractmethod
    def draw(self) -> Draw:
        """What generated samples are made of; a `GanforgeError` where they come from no single generator."""

    @abstractmethod
    def draw_again(self, purpose: str) -> Draw:
        """Return another, independent draw of the same size; its labels are what the game makes of the same places."""

    @abstractmethod
    def dice(self, purpose: str) -> Dice:
        """Return dice that give each sample its own numbers, whatever batch it is in."""

    @abstractmethod
    def outputs(self, features: FeatureBuilder) -> Mapping[str, Tensor]:
        """Return what a feature network tells of the samples, in one forward for all that ask."""

    @abstractmethod
    def network(self, features: FeatureBuilder) -> FeatureNetwork:
        """Return a feature network, for whatever images a view makes of the draw."""


class View(ABC):
    """What is looked at in every sample. Subclasses are frozen dataclasses; equal ones are looked at once."""

    @property
    def features(self) -> FeatureBuilder | None:
        """The features component that it looks through, if any."""
        return None

    @abstractmethod
    def rows(self, seen: ExaminedBatch) -> Tensor:
        """Return what is told of each sample, [B, ...]; no row depends on other rows of the batch."""


@dataclass(frozen=True)
class Samples(View):
    """The samples themselves, as they would be saved."""

    def rows(self, seen: ExaminedBatch) -> Tensor:
        """Return images uint8 [B, C, H, W] or points float32 [B, D]."""
        return seen.samples


@dataclass(frozen=True)
class Labels(View):
    """The labels that samples carry; -1 where there are none."""

    def rows(self, seen: ExaminedBatch) -> Tensor:
        """Return labels [B] int64 or [B, K]."""
        return torch.full((len(seen.samples),), -1) if seen.labels is None else seen.labels


@dataclass(frozen=True)
class FeatureOutput(View):
    """One output of a feature network."""

    by: FeatureBuilder
    output: str = "features"

    @property
    def features(self) -> FeatureBuilder | None:
        """The network."""
        return self.by

    def rows(self, seen: ExaminedBatch) -> Tensor:
        """Return the output [B, D], float32.

        Raises:
            GanforgeError: the network has no such output.
        """
        told = seen.outputs(self.by)
        if self.output not in told:
            raise GanforgeError(
                f"this metric asks the {self.by.kind} features for `{self.output}`, and they tell "
                f"{' and '.join(f'`{name}`' for name in told)} only; choose other features for it"
            )
        return told[self.output].float()


@dataclass(frozen=True)
class SampleRequest:
    """What a metric wants to know: a view of so many samples."""

    view: View
    count: int  # of real ones at most as many as there are
    of: Side = "generated"
    keep: Literal["rows", "moments"] = "rows"  # or only mean and covariance: they take no memory for each sample


@dataclass(frozen=True)
class Moments:
    """Mean [D] and unbiased covariance [D, D] of the rows of a view, float64."""

    mean: np.ndarray
    covariance: np.ndarray
    count: int


class Exam(ABC):
    """What a metric may look at: what it wanted to know, gathered in one pass over the samples for all metrics."""

    source: Source  # the reference data
    device: torch.device
    cache: Path  # a folder for reference statistics, shared by runs
    seed: int

    @abstractmethod
    def rows(self, view: View, count: int, of: Side = "generated") -> Tensor:
        """Return the rows [N, ...] of a view that was wanted, on the CPU; real samples in one fixed, shuffled order."""

    @abstractmethod
    def moments(self, view: View, count: int, of: Side = "generated") -> Moments:
        """Return the mean and covariance of a view [B, D] that was wanted."""

    @abstractmethod
    def real(self, numbers: Sequence[int]) -> Tensor:
        """Return real samples [B, *shape] by their number in the order of `rows`, on the CPU."""

    @abstractmethod
    def network(self, features: FeatureBuilder) -> FeatureNetwork:
        """Return the network of a features component, built once."""

    @abstractmethod
    def classify(self, samples: Tensor) -> Tensor:
        """Return what the game itself makes of samples [B, *shape] as they would be saved: logits [B, classes]."""

    @abstractmethod
    def receipt(self, features: FeatureBuilder | None = None) -> Receipt:
        """Return how the samples come about, and by which features; metrics add how many they took."""


@dataclass(frozen=True)
class Measurement:
    """What a metric found: named values, and the receipt that says how they came about."""

    values: Mapping[str, float]
    receipt: Receipt = field(default_factory=dict)
