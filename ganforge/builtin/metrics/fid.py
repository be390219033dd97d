"""Fréchet distance between the features of generated and of real images."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from ganforge.api import AnyFeatures, Better, DataError, Exam, FeatureOutput, Measurement, Metric, SampleRequest, Source
from ganforge.builtin.features.inception import Inception
from ganforge.builtin.metrics.parts.comparability import comparability_warning
from ganforge.builtin.metrics.parts.frechet_distance import frechet_distance

FEW = "biased upwards, comparable at equal counts only"


class FrechetDistance(Metric):
    """Fréchet distance |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)) of features (Heusel et al. 2017, arXiv:1706.08500).

    The value is called `fid` with the Inception features only, and `frechet-KIND` with others, since such distances are
    of another scale. Papers compare at 50,000 generated samples; with few samples the distance is biased upwards
    (Bińkowski et al. 2018, arXiv:1801.01401, sec. 4.1), and the receipt carries a warning.
    """

    kind: Literal["fid"] = "fid"
    rank: ClassVar[int] = 1
    features: AnyFeatures = Field(default=Inception(), description="whose features are compared")
    samples: int = Field(default=10_000, ge=2, le=1_000_000, description="generated samples; papers take 50,000")
    real: Annotated[int, Field(ge=2, le=10**8)] | None = Field(
        default=None, description="real samples; left out: all there are"
    )

    @classmethod
    def is_usual(cls, source: Source) -> bool:
        """Of images."""
        return len(source.spec.shape) == 3

    def directions(self) -> Mapping[str, Better | None]:
        """Return the names of its values, and which way each is better."""
        return {self.value_name: "lower"}

    def requests(self, source: Source) -> Sequence[SampleRequest]:
        """Moments of the features of generated and real samples.

        Raises:
            DataError: there are fewer than two real samples.
        """
        if len(source) < 2:
            raise DataError(f"a Fréchet distance needs at least 2 real samples, and the data have {len(source)}")
        view = FeatureOutput(self.features)
        return SampleRequest(view, self.samples, keep="moments"), SampleRequest(
            view, self.real or sys.maxsize, "real", "moments"
        )

    def measure(self, exam: Exam) -> Measurement:
        """Return the distance and its receipt."""
        view = FeatureOutput(self.features)
        real, fake = exam.moments(view, self.real or sys.maxsize, "real"), exam.moments(view, self.samples)
        receipt = exam.receipt(self.features)
        return Measurement(
            {self.value_name: frechet_distance(real, fake)},
            {
                **receipt,
                "fake": fake.count,
                "real": real.count,
                "dtype": "features float32, covariance float64",
                "warning": comparability_warning(self.features, receipt, fake.count, FEW),
            },
        )

    @property
    def value_name(self) -> str:
        """What the value is called."""
        return "fid" if isinstance(self.features, Inception) else f"frechet-{self.features.kind}"
