"""Generated samples of the class that they were asked to be of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from pydantic import Field

from ganforge.api import Better, DataError, Exam, Labels, Measurement, Metric, SampleRequest, Samples, Source
from ganforge.builtin.metrics.parts.sample_classifier import train_sample_classifier


class ClassRecognition(Metric):
    """Share of generated samples that a classifier of real ones takes for the class asked for.

    Discriminability as Odena et al. 2017 measure it (arXiv:1610.09585, sec. 4.1), by a support vector machine on the
    pixels instead of an Inception network: for small images of simple things. Values: `class-recognition`, and
    `class-recognition-of-real`, the same classifier's accuracy on real samples that it did not learn from.
    """

    kind: Literal["class-recognition"] = "class-recognition"
    samples: int = Field(default=1_000, ge=1, le=1_000_000, description="generated samples")
    real: int = Field(
        default=5_000, ge=10, le=50_000, description="real samples to learn from, and to check by, at most"
    )

    def directions(self) -> Mapping[str, Better | None]:
        """Return the names of its values, and which way each is better."""
        return {"class-recognition": "higher", "class-recognition-of-real": None}

    def requests(self, source: Source) -> Sequence[SampleRequest]:
        """Samples and the classes that they were asked to be of.

        Raises:
            DataError: the data have no classes.
        """
        if not source.spec.classes:
            raise DataError(
                "class-recognition compares samples with the class asked for, and these data have no classes; turn "
                "their labels on (labels = true), or leave the metric out"
            )
        return SampleRequest(Samples(), self.samples), SampleRequest(Labels(), self.samples)

    def measure(self, exam: Exam) -> Measurement:
        """Return the two values and their receipt."""
        recogniser = train_sample_classifier(exam.source, self.real)
        samples, asked = exam.rows(Samples(), self.samples), exam.rows(Labels(), self.samples)
        right = (recogniser.classify(samples) == asked).float()
        values = {"class-recognition": right.mean().item(), "class-recognition-of-real": recogniser.accuracy}
        return Measurement(values, {**exam.receipt(), "fake": len(samples), "recogniser-learnt": recogniser.learnt})
