"""Classification accuracy score: a classifier of real samples that learnt from generated ones."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from ganforge.api import (
    AnyDataset,
    AnyFeatures,
    Better,
    DataError,
    Exam,
    FeatureOutput,
    Labels,
    Measurement,
    Metric,
    SampleRequest,
    Source,
)
from ganforge.builtin.features.inception import Inception
from ganforge.builtin.metrics.parts.dataset_features import dataset_features

BATCH = 64
ITERATIONS = 500


class ClassificationAccuracyScore(Metric):
    """Accuracy on real samples of a classifier trained on generated ones (Ravuri & Vinyals 2019, arXiv:1905.10887).

    Samples that lack what tells classes apart, or lack variety, teach little. The paper trains a ResNet-50 on ImageNet;
    here the classifier is a logistic regression on some features ("pixels" are features too), so that its values
    compare with each other only. Test samples are those of `test`, or else a fifth of the real ones, which the
    generator has seen. Values: `cas-KIND`, and `cas-KIND-of-real`, of the same classifier trained on as many real ones
    at most.
    """

    kind: Literal["classification-accuracy-score"] = "classification-accuracy-score"
    features: AnyFeatures = Field(default=Inception(), description='that the classifier sees; or "pixels"')
    samples: int = Field(default=5_000, ge=2, le=1_000_000, description="generated samples to learn from")
    real: int = Field(default=10_000, ge=10, le=1_000_000, description="real samples to learn from and to test on")
    test: AnyDataset | None = Field(
        default=None, description="labelled samples that the generator has not seen, such as those of part = test"
    )
    weakness: float = Field(
        default=0.1, gt=0, le=1e6, description="C of the regression: the less, the more it is regularized"
    )

    def directions(self) -> Mapping[str, Better | None]:
        """Return the names of its values, and which way each is better."""
        return {f"cas-{self.features.kind}": "higher", f"cas-{self.features.kind}-of-real": None}

    def requests(self, source: Source) -> Sequence[SampleRequest]:
        """Features and labels of generated and real samples.

        Raises:
            DataError: the data have no classes.
        """
        if not source.spec.classes:
            raise DataError(
                "classification-accuracy-score trains a classifier on samples of given classes, and these data have no "
                "classes; turn their labels on (labels = true), or leave the metric out"
            )
        views = (FeatureOutput(self.features), Labels())
        return *(SampleRequest(view, self.samples) for view in views), *(
            SampleRequest(view, self.real, "real") for view in views
        )

    def measure(self, exam: Exam) -> Measurement:
        """Return the two values and their receipt.

        Raises:
            DataError: samples of two classes are not there, or the test data are of others.
        """
        views = (FeatureOutput(self.features), Labels())
        fake, real = (labelled_rows(*(exam.rows(v, n, of) for v in views)) for n, of in self._sides)
        if self.test is None:
            learnt = len(real[1]) * 4 // 5
            test = (real[0][learnt:], real[1][learnt:])
            told, seen = "a fifth of the real samples, which the generator has seen", learnt
        else:
            source = self.test.open(exam.cache)
            test, told, seen = self._tested(source, exam), source.fingerprint, len(real[1])
        seen = min(seen, self.samples)
        for what, labels in (("generated", fake[1]), ("real", real[1][:seen])):
            if len(np.unique(labels)) < 2 or not len(test[1]):
                raise DataError(
                    f"classification-accuracy-score: the {what} samples are of fewer than two classes; take more, or a "
                    "game that makes samples of a given class"
                )
        own, own_done = accuracy(*fake, *test, self.weakness)
        of_real, real_done = accuracy(real[0][:seen], real[1][:seen], *test, self.weakness)
        done = own_done and real_done
        return Measurement(
            dict(zip(self.directions(), (own, of_real), strict=True)),
            {
                **exam.receipt(self.features),
                "fake": len(fake[1]),
                "real": seen,
                "tested": len(test[1]),
                "test": told,
                "classifier": f"logistic regression, C = {self.weakness:g}",
                "warning": None if done else f"the regression was stopped after {ITERATIONS} iterations",
            },
        )

    @property
    def _sides(self) -> tuple[tuple[int, Any], tuple[int, Any]]:
        return (self.samples, "generated"), (self.real, "real")

    def _tested(self, source: Source, exam: Exam) -> tuple[np.ndarray, np.ndarray]:
        spec = exam.source.spec
        if source.spec.classes != spec.classes:
            raise DataError(
                f"{self.kind}.test: it has {source.spec.classes} classes, and the data to compare with have "
                f"{spec.classes}; give both the same labels"
            )
        rows = dataset_features(exam, self.features, source, f"{self.kind}.test")
        labels = [
            source.batch(part)["label"] for part in np.split(np.arange(len(source)), range(BATCH, len(source), BATCH))
        ]
        return labelled_rows(rows, torch.cat(labels))


def labelled_rows(rows: Tensor, labels: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows whose class is known, and it."""
    there = labels >= 0
    return rows[there].double().numpy(), labels[there].numpy()


def accuracy(
    rows: np.ndarray, labels: np.ndarray, test_rows: np.ndarray, test_labels: np.ndarray, weakness: float
) -> tuple[float, bool]:
    """Return how much of the test a logistic regression gets right, and whether it converged."""
    from sklearn.exceptions import ConvergenceWarning  # slow to import
    from sklearn.linear_model import LogisticRegression

    mean, std = rows.mean(0), rows.std(0)
    std[std < 1e-6 * max(std.max(), 1e-30)] = np.inf  # what never changes tells nothing
    regression = LogisticRegression(C=weakness, tol=1e-3, max_iter=ITERATIONS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the receipt says it
        regression.fit((rows - mean) / std, labels)
    right = regression.predict((test_rows - mean) / std) == test_labels
    return float(np.mean(right)), bool(np.max(regression.n_iter_) < ITERATIONS)
