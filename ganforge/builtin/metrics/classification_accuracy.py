"""The accuracy of the discriminator's classifier on samples that it did not learn from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
from pydantic import Field

from ganforge.api import AnyDataset, Better, Exam, GanforgeError, Measurement, Metric, Receipt

BATCH = 64


class ClassificationAccuracy(Metric):
    """Share of real, held-out samples whose class the discriminator tells (Salimans et al. 2016, arXiv:1606.03498).

    For games with a classifier: semi-supervised, ac-gan. Value: `accuracy`, in [0, 1].
    """

    kind: Literal["classification-accuracy"] = "classification-accuracy"
    data: AnyDataset = Field(description="labelled samples that were not learnt from, such as those of part = test")

    def directions(self) -> Mapping[str, Better | None]:
        """Return the names of its values, and which way each is better."""
        return {"accuracy": "higher"}

    def measure(self, exam: Exam) -> Measurement:
        """Return the accuracy and its receipt.

        Raises:
            GanforgeError: the data have no classes, or are of another shape; or the game has no classifier.
        """
        source, spec = self.data.open(exam.cache), exam.source.spec
        if source.spec.classes != spec.classes or source.spec.shape != spec.shape:
            raise GanforgeError(
                f"classification-accuracy: its data are of shape {list(source.spec.shape)} with {source.spec.classes} "
                f"classes, and the game's of {list(spec.shape)} with {spec.classes}; give both the same resolution, "
                "channels and labels"
            )
        right = known = 0
        for start in range(0, len(source), BATCH):
            batch = source.batch(np.arange(start, min(start + BATCH, len(source))))
            labels = batch["label"]
            right += int((exam.classify(batch["image"]).argmax(1).cpu() == labels).sum())
            known += int((labels >= 0).sum())
        receipt: Receipt = {"classified": known, "classified-data": source.fingerprint}
        return Measurement({"accuracy": right / known}, {**exam.receipt(), **receipt})
