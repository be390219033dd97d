"""Inception score: a classifier that is sure of each generated image, and of different classes over all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, Self

from pydantic import Field, model_validator

from ganforge.api import (
    AnyFeatures,
    Better,
    Exam,
    FeatureOutput,
    GanforgeError,
    Measurement,
    Metric,
    SampleRequest,
    Source,
)
from ganforge.builtin.features.inception import Inception
from ganforge.builtin.features.parts.published_weights import PublishedFeatures
from ganforge.builtin.metrics.parts.comparability import comparability_warning

FEW = "biased downwards, comparable at equal counts only"


class InceptionScore(Metric):
    """exp of the mean divergence KL(p(y|x) | p(y)) of a classifier's answers (Salimans et al. 2016, arXiv:1606.03498).

    Sec. 4: between 1 and the number of classes, mean and deviation over splits of the samples. It looks at no real
    image. Called `inception-score` with the Inception features only, whose logits are taken without their bias as the
    authors did, and `classifier-score-KIND` with others; `-std` is the deviation over splits. Computed by
    torch-fidelity.
    """

    kind: Literal["inception-score"] = "inception-score"
    features: AnyFeatures = Field(
        default=Inception(), description="whose logits are taken; they must be a classifier's"
    )
    samples: int = Field(default=10_000, ge=2, le=1_000_000, description="generated samples; papers take 50,000")
    splits: int = Field(default=10, ge=1, le=1_000, description="parts of the samples, each with a score of its own")

    @model_validator(mode="after")
    def _check_splits(self) -> Self:
        if 2 * self.splits > self.samples:
            raise ValueError(f"splits = {self.splits} leave less than two of {self.samples} samples to each")
        return self

    def directions(self) -> Mapping[str, Better | None]:
        """Return the names of its values, and which way each is better."""
        return {self.value_name: "higher", f"{self.value_name}-std": None}

    def requests(self, source: Source) -> Sequence[SampleRequest]:
        """The logits of generated samples.

        Raises:
            GanforgeError: the features are those of no classifier.
        """
        if isinstance(self.features, PublishedFeatures) and not self.features.classifies:
            raise GanforgeError(
                f"{self.kind} needs a classifier's logits, and {self.features.kind} features have none; "
                'choose features = "inception" or "efficientnet-lite0"'
            )
        return (SampleRequest(self._view, self.samples),)

    def measure(self, exam: Exam) -> Measurement:
        """Return mean and deviation over splits, and their receipt.

        Raises:
            GanforgeError: there are fewer than two samples for each split.
        """
        from torch_fidelity.metric_isc import KEY_METRIC_ISC_MEAN, KEY_METRIC_ISC_STD, isc_features_to_metric

        logits = exam.rows(self._view, self.samples)
        if len(logits) < 2 * self.splits:
            raise GanforgeError(f"{self.splits} splits of {len(logits)} samples leave less than two to each; set its "
                                f"splits = {max(len(logits) // 2, 1)} or less")  # fmt: skip
        found = isc_features_to_metric(logits, self.splits)
        receipt = exam.receipt(self.features)
        return Measurement(
            {
                self.value_name: found[KEY_METRIC_ISC_MEAN],
                f"{self.value_name}-std": found[KEY_METRIC_ISC_STD],
            },
            {
                **receipt,
                "fake": len(logits),
                "splits": self.splits,
                "classes": logits.shape[1],
                "logits": self._view.output,
                "dtype": "logits float32, score float64",
                "warning": comparability_warning(self.features, receipt, len(logits), FEW),
            },
        )

    @property
    def value_name(self) -> str:
        """What the mean is called."""
        return "inception-score" if isinstance(self.features, Inception) else f"classifier-score-{self.features.kind}"

    @property
    def _view(self) -> FeatureOutput:
        return FeatureOutput(self.features, "logits-unbiased" if isinstance(self.features, Inception) else "logits")
