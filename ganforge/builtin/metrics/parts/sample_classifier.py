"""A classifier of real samples, trained apart from the game, that tells what generated samples show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ganforge.api import DataError, Sampler, Source, to_float

_SHUFFLE = 0  # seed of the fixed order in which samples are learnt and held out


@dataclass(frozen=True)
class SampleClassifier:
    """A support vector machine with a Gaussian kernel on the pixels (Cortes & Vapnik 1995, 10.1007/BF00994018).

    Args:
        machine: of scikit-learn.
        classes: that it tells apart.
        accuracy: on real samples that it did not learn from.
        learnt: real samples that it learnt from.
    """

    machine: Any
    classes: int
    accuracy: float
    learnt: int

    def classify(self, samples: Tensor) -> Tensor:
        """Return the classes [N] of samples [N, *shape], as they would be saved."""
        return torch.from_numpy(self.machine.predict(_rows(samples)))


def train_sample_classifier(source: Source, most: int) -> SampleClassifier:
    """Train on four fifths of at most `most` samples of labelled data, and measure on the rest.

    Raises:
        DataError: the data have no classes, or no samples of two of them.
    """
    from sklearn.svm import SVC  # slow to import

    if not source.spec.classes:
        raise DataError("samples are recognised by a classifier of real ones, and these data have no classes; turn "
                        "their labels on (labels = true), or leave the metric out")  # fmt: skip
    batch = source.batch(Sampler(_SHUFFLE, len(source)).permutation(0)[:most])
    known = (batch["label"] >= 0).numpy()
    pixels, labels = _rows(batch["image"])[known], batch["label"].numpy()[known]
    learnt = len(labels) * 4 // 5
    if len(np.unique(labels[:learnt])) < 2 or learnt == len(labels):
        raise DataError(
            f"{len(labels)} labelled samples are too few, or of too few classes, to learn to recognise them"
        )
    machine = SVC(C=10.0, gamma="scale").fit(pixels[:learnt], labels[:learnt])
    accuracy = float(np.mean(machine.predict(pixels[learnt:]) == labels[learnt:]))
    return SampleClassifier(machine, source.spec.classes, accuracy, learnt)


def _rows(samples: Tensor) -> np.ndarray:
    return np.asarray(to_float(samples.detach().cpu()).flatten(1).double().numpy())
