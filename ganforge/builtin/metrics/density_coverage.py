"""Density and coverage: how well samples fill the space of real ones."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from ganforge.builtin.features.inception import Inception
from ganforge.builtin.metrics.neighbours import distances, nearest_others
from ganforge.data import Source
from ganforge.errors import DataError
from ganforge.families import Better, Metric
from ganforge.metric import Embedded, Exam, Measurement, Want
from ganforge.slots import AnyFeatures

ENOUGH = 10_000  # the paper's figures; values at different counts differ


class DensityCoverage(Metric):
    """Density and coverage (Naeem et al. 2020, arXiv:2002.09797, eqs. 5 and 6).

    Around each real sample lies a ball that reaches to its k-th nearest real neighbour. Density is the mean number of
    balls that a generated sample lies in, over k: fidelity, above 1 where samples crowd. Coverage is the share of real
    samples with a generated one in their ball: variety. If both sets are of one distribution, density is expected to be
    1 and coverage 1 - (1/2)^k at equal counts; `coverage-expected` is that for the counts taken. Values:
    `density`, `coverage` and `coverage-expected` with Inception features, and with -KIND behind them with others.
    """

    kind: Literal["density-coverage"] = "density-coverage"
    features: AnyFeatures = Field(default=Inception(), description="in whose space samples are neighbours")
    samples: int = Field(default=10_000, ge=1, le=1_000_000, description="generated samples")
    real: Annotated[int, Field(ge=2, le=1_000_000)] | None = Field(
        default=10_000, description="real samples, at most; memory and time grow with its square"
    )
    k: int = Field(default=5, ge=1, le=1_000, description="neighbours that a ball holds; the paper's choice is 5")

    def tells(self) -> Mapping[str, Better]:
        """Return the names of its values, and which way each is better."""
        return dict.fromkeys((self._name("density"), self._name("coverage"), self._name("coverage-expected")), "higher")

    def wants(self, source: Source) -> Sequence[Want]:
        """Features of generated and real samples.

        Raises:
            DataError: there are too few real samples.
        """
        if min(len(source), self.real or sys.maxsize) <= self.k:
            raise DataError(
                f"density-coverage with k = {self.k} needs {self.k + 1} real samples or more, and has {len(source)}"
            )
        return Want(self._view, self.samples), Want(self._view, self.real or sys.maxsize, "real")

    def measure(self, exam: Exam) -> Measurement:
        """Return the three values and their receipt."""
        fake = exam.rows(self._view, self.samples).to(exam.device)
        real = exam.rows(self._view, self.real or sys.maxsize, "real").to(exam.device)
        density, coverage = density_coverage(real, fake, self.k)
        values = (density, coverage, expected_coverage(len(real), len(fake), self.k))
        few = min(len(real), len(fake))
        told = f"{few:,} samples are fewer than {ENOUGH:,}: comparable at equal counts only"
        return Measurement(
            dict(zip(self.tells(), values, strict=True)),
            {
                **exam.receipt(self.features),
                "fake": len(fake),
                "real": len(real),
                "k": self.k,
                "dtype": "features float32, distances float64",
                "warning": told if few < ENOUGH else None,
            },
        )

    @property
    def _view(self) -> Embedded:
        return Embedded(self.features)

    def _name(self, value: str) -> str:
        return value if isinstance(self.features, Inception) else f"{value}-{self.features.kind}"


def density_coverage(real: Tensor, fake: Tensor, k: int) -> tuple[float, float]:
    """Return density and coverage of fakes [M, D] among reals [N, D], on one device; N > k."""
    reach = nearest_others(real, k)[0][:, -1]
    inside = 0
    covered = torch.zeros(len(real), dtype=torch.bool, device=real.device)
    for _, some in distances(fake, real):
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
