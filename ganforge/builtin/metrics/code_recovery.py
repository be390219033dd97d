"""Code recovery: codes that the generator chose by itself, as classes of real samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import Field
from torch import Tensor

from ganforge.api import (
    AnyDataset,
    Better,
    Exam,
    ExaminedBatch,
    GanforgeError,
    Measurement,
    Metric,
    Receipt,
    SampleRequest,
    Samples,
    Source,
    View,
)
from ganforge.builtin.metrics.parts.sample_classifier import train_sample_classifier


@dataclass(frozen=True)
class FirstCode(View):
    """The first categorical code of each sample."""

    def rows(self, seen: ExaminedBatch) -> Tensor:
        """Return codes [B]; a `GanforgeError` where the game has none."""
        codes = seen.draw.codes
        if codes is None:
            raise GanforgeError("code-recovery asks about categorical codes, and this game has none; choose infogan")
        return codes[:, 0]


class CodeRecovery(Metric):
    """Accuracy of the first categorical code as a label, under the best assignment of its values to classes.

    The error that Chen et al. 2016 report (arXiv:1606.03657, sec. 7.2: 5 % on MNIST), turned round. Samples are made
    with every value of the code alike, a support vector machine trained on labelled real samples says what they show,
    and each value is given the class that makes most of them right, no class twice (Kuhn 1955,
    10.1002/nav.3800020109). Values: `code-recovery`, and `code-recognition-of-real`, the machine's accuracy on real
    samples that it did not learn from.
    """

    kind: Literal["code-recovery"] = "code-recovery"
    data: AnyDataset = Field(description="labelled real samples, of the shape of the generated ones")
    samples: int = Field(default=1_000, ge=1, le=1_000_000, description="generated samples")
    real: int = Field(
        default=5_000, ge=10, le=50_000, description="real samples to learn from, and to check by, at most"
    )

    def directions(self) -> Mapping[str, Better | None]:
        """Return the names of its values, and which way each is better."""
        return {"code-recovery": "higher", "code-recognition-of-real": None}

    def requests(self, source: Source) -> Sequence[SampleRequest]:
        """Samples and the codes that they were made of."""
        return SampleRequest(Samples(), self.samples), SampleRequest(FirstCode(), self.samples)

    def measure(self, exam: Exam) -> Measurement:
        """Return the two values and their receipt.

        Raises:
            DataError: the labelled data have no classes.
            GanforgeError: the data are of another shape.
        """
        source = self.data.open(exam.cache)
        shape = exam.source.spec.shape
        if source.spec.shape != shape:
            raise GanforgeError(
                f"code-recovery: its data are of shape {list(source.spec.shape)} and the game's of {list(shape)}; give "
                "both the same resolution and channels"
            )
        recogniser = train_sample_classifier(source, self.real)
        codes = exam.rows(FirstCode(), self.samples).long().numpy()
        seen = recogniser.classify(exam.rows(Samples(), self.samples)).long().numpy()
        values = {
            "code-recovery": best_assignment(codes, seen),
            "code-recognition-of-real": recogniser.accuracy,
        }
        receipt: Receipt = {
            "fake": len(codes),
            "recogniser-learnt": recogniser.learnt,
            "labelled": source.fingerprint,
        }
        return Measurement(values, {**exam.receipt(), **receipt})


def best_assignment(codes: np.ndarray, classes: np.ndarray) -> float:
    """Return the share of pairs that agree when each code is given the class that makes this share largest.

    Args:
        codes: [N] integers from 0.
        classes: [N] integers from 0; a class is given to one code at most.
    """
    from scipy.optimize import linear_sum_assignment

    counts = np.zeros((codes.max() + 1, classes.max() + 1), np.int64)
    np.add.at(counts, (codes, classes), 1)
    return float(counts[linear_sum_assignment(counts, maximize=True)].sum() / len(codes))
