"""The perceptual distance between samples."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from ganforge.api import (
    AnyFeatures,
    Better,
    DataError,
    Exam,
    FeatureOutput,
    Labels,
    Measurement,
    Metric,
    SampleRequest,
    Samples,
    Side,
    Source,
    View,
)
from ganforge.builtin.features.lpips import Lpips
from ganforge.builtin.metrics.parts.comparability import comparability_warning
from ganforge.builtin.metrics.parts.perceptual_vectors import perceptual_vectors

SIDES: tuple[tuple[Side, str], ...] = (("generated", ""), ("real", "-of-real"))


class LpipsDiversity(Metric):
    """Mean LPIPS of pairs of samples (Zhang et al. 2018, arXiv:1801.03924): near 0 when all look the same.

    Used for variety since Zhu et al. 2017 (arXiv:1711.11586, sec. 5.2). The mean is over all pairs, and exact: LPIPS is
    a squared distance, whose mean over pairs is twice a variance. Values: `lpips-diversity`; the same of real samples
    with `-of-real` behind it, to compare with; and, where there are classes, `-within-classes`, over pairs of a class,
    averaged over classes. With other features they are called `feature-diversity-KIND` and are mean squared distances
    of features, of a scale of their own.
    """

    kind: Literal["lpips-diversity"] = "lpips-diversity"
    features: AnyFeatures = Field(default=Lpips(), description="that tell how far apart two images are")
    samples: int = Field(default=1_000, ge=2, le=1_000_000, description="generated samples, and real ones beside them")

    def directions(self) -> Mapping[str, Better | None]:
        """Return the names of its values, and which way each is better."""
        names = [self._name, f"{self._name}-within-classes"]
        return {f"{name}{tail}": None if tail else "higher" for _, tail in SIDES for name in names}

    def requests(self, source: Source) -> Sequence[SampleRequest]:
        """The samples, or their features; and their labels, if there are classes.

        Raises:
            DataError: there are fewer than two real samples.
        """
        if len(source) < 2:
            raise DataError(f"{self.kind} needs at least 2 real samples, and the data have {len(source)}")
        views: list[View] = [self._view, *([Labels()] if source.spec.classes else [])]
        return [SampleRequest(view, self.samples, of) for of, _ in SIDES for view in views]

    def measure(self, exam: Exam) -> Measurement:
        """Return the values and their receipt."""
        values: dict[str, float] = {}
        counts: dict[str, int] = {}
        for (of, tail), called in zip(SIDES, ("fake", "real"), strict=True):
            rows = exam.rows(self._view, self.samples, of)
            labels = exam.rows(Labels(), self.samples, of) if exam.source.spec.classes else torch.full((len(rows),), -1)
            overall, within = PairwiseSquaredDistance(), []
            for number in sorted(set(labels.tolist())):
                own = PairwiseSquaredDistance()
                for vectors in self._vectors(rows[labels == number], exam):
                    own.add(vectors)
                    overall.add(vectors)
                if number >= 0 and own.count > 1:
                    within.append(own.mean_of_pairs)
            values[f"{self._name}{tail}"] = overall.mean_of_pairs
            if within:
                values[f"{self._name}-within-classes{tail}"] = sum(within) / len(within)
            counts[called] = len(rows)
        receipt = exam.receipt(self.features)
        return Measurement(
            values,
            {
                **receipt,
                **counts,
                "pairs": "all",
                "dtype": "features float32, sums float64",
                "warning": comparability_warning(self.features, receipt, min(counts.values()), "the mean is rough"),
            },
        )

    def _vectors(self, rows: Tensor, exam: Exam) -> Iterator[Tensor]:
        return (
            perceptual_vectors(exam, self.features, rows)
            if isinstance(self.features, Lpips)
            else iter(torch.split(rows, 64))
        )

    @property
    def _view(self) -> View:
        return Samples() if isinstance(self.features, Lpips) else FeatureOutput(self.features)

    @property
    def _name(self) -> str:
        return "lpips-diversity" if isinstance(self.features, Lpips) else f"feature-diversity-{self.features.kind}"


class PairwiseSquaredDistance:
    """The mean squared distance of all pairs of vectors, of which only sums are kept."""

    def __init__(self) -> None:
        self.count, self.squares = 0, 0.0
        self.origin: Tensor | None = None
        self.sum: Tensor | None = None

    def add(self, vectors: Tensor) -> None:
        """Take vectors [B, D]."""
        vectors = vectors.double()
        if self.origin is None or self.sum is None:
            self.origin = vectors[0].clone()
            self.sum = torch.zeros_like(self.origin)
        vectors = vectors - self.origin
        self.count += len(vectors)
        self.squares += vectors.square().sum().item()
        self.sum += vectors.sum(0)

    @property
    def mean_of_pairs(self) -> float:
        """Return it; there are two vectors or more."""
        assert self.sum is not None
        total = self.count * self.squares - self.sum.square().sum().item()  # over pairs i < j
        return max(0.0, total) / (self.count * (self.count - 1) / 2)
