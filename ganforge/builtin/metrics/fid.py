"""Fréchet distance between the features of generated and of real images."""

from __future__ import annotations

import sys
from typing import Annotated, Literal

from pydantic import Field

from ganforge.builtin.features.inception import PUBLISHED, Inception
from ganforge.builtin.metrics.feature_statistics import extract, frechet_distance, reference_statistics, statistics
from ganforge.errors import DataError
from ganforge.families import Metric
from ganforge.metric import Exam, FeatureNetwork, Measurement
from ganforge.slots import AnyFeatures

ENOUGH = 10_000  # below this many samples the distance is biased upwards by an amount that depends on the model


class FrechetDistance(Metric):
    """Fréchet distance |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)) of features (Heusel et al. 2017, arXiv:1706.08500).

    The value is called `fid` with the Inception features only, and `frechet-KIND` with others, since such distances are
    of another scale. Papers compare at 50,000 generated samples; with few samples the distance is biased upwards
    (Bińkowski et al. 2018, arXiv:1801.01401, sec. 4.1), and the receipt carries a warning.
    """

    kind: Literal["fid"] = "fid"
    features: AnyFeatures = Field(default=Inception(), description="whose features are compared")
    samples: int = Field(default=10_000, ge=2, le=1_000_000, description="generated samples; papers take 50,000")
    real: Annotated[int, Field(ge=2)] | None = Field(default=None, description="real samples; left out: all there are")

    def measure(self, exam: Exam) -> Measurement:
        """Return the distance and its receipt.

        Raises:
            GanforgeError: the features' weights cannot be had, or the samples are not images of 1 or 3 channels.
        """
        if len(exam.source) < 2:
            raise DataError(f"a Fréchet distance needs at least 2 real samples, and the data have {len(exam.source)}")
        network = self.features.build()
        wanted = self.real or sys.maxsize
        reference = reference_statistics(exam, network, wanted)
        generated = statistics(extract(exam.fakes(self.samples), network, exam.device))
        return Measurement(
            {self.value_name: frechet_distance(reference, generated)},
            {
                **exam.receipt(),
                "fake": self.samples,
                "real": min(wanted, len(exam.source)),
                "features": network.name,
                "weights-sha256": network.weights_sha256,
                "resizer": network.resizer,
                "dtype": "features float32, covariance float64",
                "warning": self._warning(network),
            },
        )

    @property
    def value_name(self) -> str:
        """What the value is called."""
        return "fid" if isinstance(self.features, Inception) else f"frechet-{self.features.kind}"

    def _warning(self, network: FeatureNetwork) -> str | None:
        found: list[str] = []
        if self.samples < ENOUGH:
            found.append(
                f"{self.samples:,} samples are fewer than {ENOUGH:,}: biased upwards, comparable at equal counts only"
            )
        if isinstance(self.features, Inception) and not network.weights_sha256.startswith(PUBLISHED):
            found.append(f"the Inception weights are not the published ones (sha256 {PUBLISHED}...)")
        return "; ".join(found) or None
