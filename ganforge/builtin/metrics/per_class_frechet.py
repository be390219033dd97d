"""The Fréchet distance of each class, and their mean."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

import numpy as np
from pydantic import Field
from torch import Tensor

from ganforge.api import (
    AnyFeatures,
    Better,
    DataError,
    DataSpec,
    Exam,
    FeatureOutput,
    Labels,
    Measurement,
    Metric,
    Moments,
    SampleRequest,
    Source,
)
from ganforge.builtin.features.inception import Inception
from ganforge.builtin.metrics.parts.comparability import comparability_warning
from ganforge.builtin.metrics.parts.frechet_distance import frechet_distance

FEW = "so few are there of a class, biased upwards, comparable at equal counts only"


class PerClassFrechet(Metric):
    """Fréchet distance of the generated and real samples of each class, and the mean over classes.

    Heusel et al. 2017 (arXiv:1706.08500), within classes as Miyato & Koyama 2018 (arXiv:1802.05637, sec. 4, "intra
    FID"): it tells whether samples are of the class asked for, and vary within it. Values: `per-class-fid` with
    Inception features and `per-class-frechet-KIND` with others, the same with `-worst` behind it, and each class's with
    `-` and its name or number behind it.
    """

    kind: Literal["per-class-fid"] = "per-class-fid"
    features: AnyFeatures = Field(default=Inception(), description="whose features are compared")
    samples: int = Field(default=10_000, ge=2, le=1_000_000, description="generated samples, over all classes")
    real: Annotated[int, Field(ge=2, le=10**8)] | None = Field(
        default=None, description="real samples; left out: all there are"
    )
    each: bool = Field(default=True, description="tell each class's distance too")

    def directions(self) -> Mapping[str, Better | None]:
        """Return the names of its values but those of single classes, and which way each is better."""
        return {self._name: "lower", f"{self._name}-worst": "lower"}

    def requests(self, source: Source) -> Sequence[SampleRequest]:
        """Features and labels of generated and real samples.

        Raises:
            DataError: the data have no classes.
        """
        if not source.spec.classes:
            raise DataError(
                "per-class-fid compares class by class, and these data have no classes; turn their labels on "
                "(labels = true), or choose fid"
            )
        views = (FeatureOutput(self.features), Labels())
        return (
            *(SampleRequest(view, self.samples) for view in views),
            *(SampleRequest(view, self.real or sys.maxsize, "real") for view in views),
        )

    def measure(self, exam: Exam) -> Measurement:
        """Return the mean, the worst and each class's distance, and their receipt.

        Raises:
            DataError: no class has two generated and two real samples.
        """
        real_count, spec = self.real or sys.maxsize, exam.source.spec
        fake, fake_labels = exam.rows(FeatureOutput(self.features), self.samples), exam.rows(Labels(), self.samples)
        real, real_labels = (exam.rows(view, real_count, "real") for view in (FeatureOutput(self.features), Labels()))
        found: dict[int, float] = {}
        fewest = len(fake)
        for number in range(spec.classes):
            pair = [rows[labels == number] for rows, labels in ((real, real_labels), (fake, fake_labels))]
            if min(len(rows) for rows in pair) >= 2:
                found[number] = frechet_distance(*(moments_of(rows) for rows in pair))
                fewest = min(fewest, *(len(rows) for rows in pair))
        if not found:
            raise DataError(
                f"per-class-fid: no class has two of the {len(fake):,} generated and two of the {len(real):,} real "
                "samples; take more samples, or a game that makes samples of a given class"
            )
        left_out = [spec.class_names[n] if spec.class_names else str(n) for n in range(spec.classes) if n not in found]
        warnings = [f"classes without two samples on both sides are left out: {', '.join(left_out)}"] * bool(left_out)
        receipt = exam.receipt(self.features)
        doubt = comparability_warning(self.features, receipt, fewest, FEW)
        values = {self._name: float(np.mean(list(found.values()))), f"{self._name}-worst": max(found.values())}
        if self.each:
            names = value_names(spec)
            values |= {f"{self._name}-{names[number]}": value for number, value in found.items()}
        return Measurement(
            values,
            {
                **receipt,
                "fake": len(fake),
                "real": len(real),
                "classes": len(found),
                "fewest-of-a-class": fewest,
                "dtype": "features float32, covariance float64",
                "warning": "; ".join([*warnings, doubt] if doubt else warnings) or None,
            },
        )

    @property
    def _name(self) -> str:
        inception = isinstance(self.features, Inception)
        return "per-class-fid" if inception else f"per-class-frechet-{self.features.kind}"


def value_names(spec: DataSpec) -> Sequence[str]:
    """Return what values call the classes: their names in letters and digits if these differ, else their numbers."""
    names = [re.sub(r"[^A-Za-z0-9_.]+", "-", name) for name in spec.class_names]
    return names if names and len(set(names)) == len(names) else [str(number) for number in range(spec.classes)]


def moments_of(rows: Tensor) -> Moments:
    """Return mean and unbiased covariance of rows [N, D], N >= 2."""
    numbers = rows.double().numpy()
    return Moments(numbers.mean(0), np.atleast_2d(np.cov(numbers, rowvar=False)), len(numbers))
