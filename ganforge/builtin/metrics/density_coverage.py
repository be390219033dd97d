"""Density and coverage: how well samples fill the space of real ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from ganforge.api import AnyFeatures, Better, DataError, Exam, FeatureOutput, Measurement, Metric, SampleRequest, Source
from ganforge.builtin.features.vgg16 import Vgg16
from ganforge.builtin.metrics.parts.comparability import comparability_warning
from ganforge.builtin.metrics.parts.nearest_neighbours import distance_blocks, nearest_others

FEW = "balls around few samples are large, comparable at equal counts only"
NEIGHBOURS = 5  # what the paper takes


class DensityCoverage(Metric):
    """Density and coverage (Naeem et al. 2020, arXiv:2002.09797, eqs. 5 and 6).

    Around each real sample lies a ball that reaches to its k-th nearest real neighbour. Density is the mean number of
    balls that a generated sample lies in, over k: fidelity, above 1 where samples crowd. Coverage is the share of real
    samples with a generated one in their ball: variety. If both sets are of one distribution, density is expected to be
    1 and coverage 1 - (1/2)^k at equal counts; `coverage-expected` is that for the counts taken. Values:
    `density`, `coverage` and `coverage-expected` with the paper's choices only, VGG16 and k = 5; with other features
    `density-KIND`, with another k `density-KIND-Knn`.
    """

    kind: Literal["density-coverage"] = "density-coverage"
    rank: ClassVar[int] = 4
    features: AnyFeatures = Field(default=Vgg16(), description="in whose space samples are neighbours")
    samples: int = Field(default=10_000, ge=1, le=1_000_000, description="generated samples")
    real: Annotated[int, Field(ge=2, le=1_000_000)] | None = Field(
        default=None, description="real samples; left out: as many as generated, or all there are"
    )
    neighbours: int = Field(default=NEIGHBOURS, ge=1, le=1_000, description="k; more make balls larger")

    @classmethod
    def is_usual(cls, source: Source) -> bool:
        """Of images."""
        return len(source.spec.shape) == 3

    def directions(self) -> Mapping[str, Better | None]:
        """Return the names of its values, and which way each is better."""
        return {
            self._name("density"): "higher",
            self._name("coverage"): "higher",
            self._name("coverage-expected"): None,
        }

    def requests(self, source: Source) -> Sequence[SampleRequest]:
        """Features of generated and real samples.

        Raises:
            DataError: there are too few real samples.
        """
        if min(len(source), self._real) <= self.neighbours:
            raise DataError(
                f"{self.kind} looks for {self.neighbours} neighbours of each real sample, and has "
                f"{min(len(source), self._real)} of them; set its neighbours lower, or its samples or real higher"
            )
        return SampleRequest(self._view, self.samples), SampleRequest(self._view, self._real, "real")

    def measure(self, exam: Exam) -> Measurement:
        """Return the three values and their receipt."""
        fake = exam.rows(self._view, self.samples).to(exam.device)
        real = exam.rows(self._view, self._real, "real").to(exam.device)
        density, coverage = density_coverage(real, fake, self.neighbours)
        values = (density, coverage, expected_coverage(len(real), len(fake), self.neighbours))
        receipt = exam.receipt(self.features)
        return Measurement(
            dict(zip(self.directions(), values, strict=True)),
            {
                **receipt,
                "fake": len(fake),
                "real": len(real),
                "neighbours": self.neighbours,
                "dtype": "features float32, distances float64",
                "warning": comparability_warning(self.features, receipt, min(len(real), len(fake)), FEW),
            },
        )

    @property
    def _real(self) -> int:
        return self.real or self.samples

    @property
    def _view(self) -> FeatureOutput:
        return FeatureOutput(self.features)

    def _name(self, value: str) -> str:
        suffix = "" if self.neighbours == NEIGHBOURS else f"-{self.neighbours}nn"
        return value if isinstance(self.features, Vgg16) and not suffix else f"{value}-{self.features.kind}{suffix}"


def density_coverage(real: Tensor, fake: Tensor, k: int) -> tuple[float, float]:
    """Return density and coverage of fakes [M, D] among reals [N, D], on one device; N > k."""
    reach = nearest_others(real, k)[0][:, -1]
    inside = 0
    covered = torch.zeros(len(real), dtype=torch.bool, device=real.device)
    for _, some in distance_blocks(fake, real):
        within = some < reach
        inside += int(within.sum())
        covered |= within.any(0)
    return inside / (k * len(fake)), covered.double().mean().item()


def expected_coverage(real: int, fake: int, k: int) -> float:
    """Return the coverage that is expected if both sets are of one distribution.

    The share of balls without a generated sample is that of the k nearest of a real sample's N - 1 real and M generated
    neighbours being real, all orders being equally likely (Naeem et al. 2020, lemma 2).
    """
    missed = 1.0
    for taken in range(k):
        missed *= (real - 1 - taken) / (real + fake - 1 - taken)
    return 1 - missed
