"""Kernel distance between the features of generated and of real images."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from ganforge.api import (
    AnyFeatures,
    Better,
    DataError,
    Exam,
    FeatureOutput,
    GanforgeError,
    Measurement,
    Metric,
    SampleRequest,
    Source,
)
from ganforge.builtin.features.inception import Inception
from ganforge.builtin.metrics.parts.comparability import comparability_warning

FEW = "unbiased, but noisy"


class KernelDistance(Metric):
    """Squared maximum mean discrepancy of features with the kernel (x.y / D + 1)^3 (Bińkowski et al. 2018).

    arXiv:1801.01401, sec. 4: the unbiased estimator on random subsets; it can fall a little below 0. The mean over
    subsets is called `kid` with the Inception features only, and `kernel-distance-KIND` with others; `-std` is the
    deviation over subsets. Computed by torch-fidelity, in float32 and with the subsets that it takes.
    """

    kind: Literal["kid"] = "kid"
    rank: ClassVar[int] = 2
    features: AnyFeatures = Field(default=Inception(), description="whose features are compared")
    samples: int = Field(default=10_000, ge=2, le=1_000_000, description="generated samples; papers take 50,000")
    real: Annotated[int, Field(ge=2, le=10**8)] | None = Field(
        default=None, description="real samples; left out: all there are"
    )
    subsets: int = Field(default=100, ge=1, le=10_000, description="random subsets that are averaged over")
    subset: int = Field(default=1_000, ge=2, le=100_000, description="samples of each side in a subset")

    @model_validator(mode="after")
    def _check_subset(self) -> Self:
        fewest = min(self.samples, self.real or self.samples)
        if self.subset > fewest:
            raise ValueError(f"subset = {self.subset} is more than the {fewest} samples that subsets are taken from")
        return self

    @classmethod
    def is_usual(cls, source: Source) -> bool:
        """Of images."""
        return len(source.spec.shape) == 3

    def directions(self) -> Mapping[str, Better | None]:
        """Return the names of its values, and which way each is better."""
        return {self.value_name: "lower", f"{self.value_name}-std": None}

    def requests(self, source: Source) -> Sequence[SampleRequest]:
        """The features of generated and real samples.

        Raises:
            DataError: the data have fewer samples than a subset.
        """
        if len(source) < self.subset:
            raise DataError(
                f"{self.kind} takes subsets of {self.subset} samples, and the data have {len(source)}; "
                f"set its subset = {len(source)} or less"
            )
        view = FeatureOutput(self.features)
        return SampleRequest(view, self.samples), SampleRequest(view, self.real or sys.maxsize, "real")

    def measure(self, exam: Exam) -> Measurement:
        """Return mean and deviation over subsets, and their receipt.

        Raises:
            GanforgeError: there are fewer samples than a subset.
        """
        from torch_fidelity.metric_kid import KEY_METRIC_KID_MEAN, KEY_METRIC_KID_STD, kid_features_to_metric

        view = FeatureOutput(self.features)
        fake, real = exam.rows(view, self.samples), exam.rows(view, self.real or sys.maxsize, "real")
        fewest = min(len(fake), len(real))
        if fewest < self.subset:
            raise GanforgeError(
                f"{self.kind} takes subsets of {self.subset} samples, and there are {fewest}; set its subset = "
                f"{fewest} or less"
            )
        found = kid_features_to_metric(fake, real, kid_subsets=self.subsets, kid_subset_size=self.subset, verbose=False)
        receipt = exam.receipt(self.features)
        return Measurement(
            {
                self.value_name: found[KEY_METRIC_KID_MEAN],
                f"{self.value_name}-std": found[KEY_METRIC_KID_STD],
            },
            {
                **receipt,
                "fake": len(fake),
                "real": len(real),
                "subsets": self.subsets,
                "subset": self.subset,
                "kernel": "(x.y / D + 1)^3, unbiased",
                "dtype": "features float32, kernel float32",
                "warning": comparability_warning(self.features, receipt, fewest, FEW),
            },
        )

    @property
    def value_name(self) -> str:
        """What the mean is called."""
        return "kid" if isinstance(self.features, Inception) else f"kernel-distance-{self.features.kind}"
