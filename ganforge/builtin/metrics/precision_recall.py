"""Precision and recall: generated samples that look real, and real samples that can be generated."""

from __future__ import annotations

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
from ganforge.builtin.features.vgg16 import Vgg16
from ganforge.builtin.metrics.parts.comparability import comparability_warning

FEW = "balls around few samples are large, comparable at equal counts only"
PART = 10_000  # distances to so many samples at a time
NEIGHBOURS = 3  # what the paper takes


class PrecisionRecall(Metric):
    """Share of generated samples in the balls of real ones, and of real ones in those of generated ones.

    Improved precision and recall (Kynkäänniemi et al. 2019, arXiv:1904.06991, sec. 2): a ball reaches from a sample to
    its k-th neighbour among its like, in features. Called `precision`, `recall` and `f-score` (their harmonic mean)
    with the paper's choices only, VGG16 and k = 3; with other features `precision-KIND`, with another k
    `precision-KIND-Knn`. Computed by torch-fidelity.
    """

    kind: Literal["precision-recall"] = "precision-recall"
    rank: ClassVar[int] = 3
    features: AnyFeatures = Field(default=Vgg16(), description="whose features are compared")
    samples: int = Field(default=10_000, ge=2, le=1_000_000, description="generated samples; the paper takes 50,000")
    real: Annotated[int, Field(ge=2, le=10**8)] | None = Field(
        default=None, description="real samples; left out: as many as generated, or all there are"
    )
    neighbours: int = Field(default=NEIGHBOURS, ge=1, le=1_000, description="k; more make balls larger")

    @model_validator(mode="after")
    def _check_neighbours(self) -> Self:
        fewest = min(self.samples, self.real or self.samples)
        if self.neighbours >= fewest:
            raise ValueError(f"neighbours = {self.neighbours}, and each of {fewest} samples has {fewest - 1}")
        return self

    @classmethod
    def is_usual(cls, source: Source) -> bool:
        """Of images."""
        return len(source.spec.shape) == 3

    def directions(self) -> Mapping[str, Better | None]:
        """Return the names of its values, and which way each is better."""
        return dict.fromkeys(self._names, "higher")

    def requests(self, source: Source) -> Sequence[SampleRequest]:
        """The features of generated and real samples.

        Raises:
            DataError: the data have too few samples for so many neighbours.
        """
        if len(source) <= self.neighbours:
            raise DataError(
                f"{self.kind} looks for {self.neighbours} neighbours of each real sample, and the data have "
                f"{len(source)}; set its neighbours = {max(len(source) - 1, 1)} or less"
            )
        view = FeatureOutput(self.features)
        return SampleRequest(view, self.samples), SampleRequest(view, self.real or self.samples, "real")

    def measure(self, exam: Exam) -> Measurement:
        """Return precision, recall and f-score, and their receipt.

        Raises:
            GanforgeError: there are too few samples for so many neighbours.
        """
        from torch_fidelity.metric_prc import (
            KEY_METRIC_F_SCORE,
            KEY_METRIC_PRECISION,
            KEY_METRIC_RECALL,
            prc_features_to_metric,
        )

        view = FeatureOutput(self.features)
        fake, real = exam.rows(view, self.samples), exam.rows(view, self.real or self.samples, "real")
        fewest = min(len(fake), len(real))
        if fewest <= self.neighbours:
            raise GanforgeError(
                f"{self.kind} looks for {self.neighbours} neighbours of each sample, and there are {fewest} samples; "
                f"set its neighbours = {max(fewest - 1, 1)} or less"
            )
        found = prc_features_to_metric(
            fake, real, prc_neighborhood=self.neighbours, prc_batch_size=PART, save_cpu_ram=True, verbose=False
        )
        keys = (KEY_METRIC_PRECISION, KEY_METRIC_RECALL, KEY_METRIC_F_SCORE)
        receipt = exam.receipt(self.features)
        return Measurement(
            {name: found[key] for name, key in zip(self._names, keys, strict=True)},
            {
                **receipt,
                "fake": len(fake),
                "real": len(real),
                "neighbours": self.neighbours,
                "dtype": "features float32, distances float32",
                "warning": comparability_warning(self.features, receipt, fewest, FEW),
            },
        )

    @property
    def _names(self) -> tuple[str, str, str]:
        suffix = "" if self.neighbours == NEIGHBOURS else f"-{self.neighbours}nn"
        if not isinstance(self.features, Vgg16) or suffix:
            suffix = f"-{self.features.kind}{suffix}"
        return f"precision{suffix}", f"recall{suffix}", f"f-score{suffix}"
