"""The perceptual distance of samples from the training image that is most like them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Literal

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
    Measurement,
    Metric,
    SampleRequest,
    Samples,
    Source,
)
from ganforge.builtin.features.lpips import Lpips
from ganforge.builtin.features.pixels import Pixels
from ganforge.builtin.metrics.parts.comparability import comparability_warning
from ganforge.builtin.metrics.parts.dataset_features import dataset_features
from ganforge.builtin.metrics.parts.nearest_neighbours import mirrored, nearest, nearest_others
from ganforge.builtin.metrics.parts.perceptual_vectors import perceptual_vectors


class LpipsNearest(Metric):
    """Mean LPIPS of samples to the nearest training image (Zhang et al. 2018, arXiv:1801.03924): near 0 for copies.

    The nearest is looked for in cheap features first: LPIPS is taken to the `candidates` training images that are
    nearest there, and the least of it counts; the true least can be a little lower. Values: `lpips-nearest`, and
    `lpips-nearest-of-real`, of training images to their nearest other one that is not their mirror image, to compare
    with: samples that are not copies have no less. With other features they are called `feature-nearest-KIND` and are
    squared distances of features.
    """

    kind: Literal["lpips-nearest"] = "lpips-nearest"
    features: AnyFeatures = Field(default=Lpips(), description="that tell how far apart two images are")
    trained_on: AnyDataset | None = Field(
        default=None, description="training images; left out: the reference, which is then the training data"
    )
    search: AnyFeatures = Field(default=Pixels(size=16), description="cheap features that candidates are found by")
    candidates: int = Field(default=4, ge=1, le=1_000, description="training images that each sample is compared with")
    samples: int = Field(default=500, ge=1, le=1_000_000, description="generated samples, and real ones beside them")

    def directions(self) -> Mapping[str, Better | None]:
        """Return the names of its values, and which way each is better."""
        return {self._name: "higher", f"{self._name}-of-real": None}

    def requests(self, source: Source) -> Sequence[SampleRequest]:
        """The samples, and cheap features of them and of all training images."""
        view = FeatureOutput(self.search)
        wanted = [SampleRequest(Samples(), self.samples), SampleRequest(view, self.samples)]
        return wanted if self.trained_on is not None else [*wanted, SampleRequest(view, sys.maxsize, "real")]

    def measure(self, exam: Exam) -> Measurement:
        """Return both values and their receipt.

        Raises:
            DataError: there are too few training images, or they are of another shape.
        """
        view = FeatureOutput(self.search)
        if self.trained_on is None:
            reference, train, images = exam.source.fingerprint, exam.rows(view, sys.maxsize, "real"), exam.real
        else:
            source = self.trained_on.open(exam.cache)
            reference, train = (
                source.fingerprint,
                dataset_features(exam, self.search, source, f"{self.kind}.trained_on"),
            )
            images = partial(_images, source)
        if len(train) <= self.candidates + 1:
            raise DataError(
                f"{self.kind} with {self.candidates} candidates needs {self.candidates + 2} training images or more, "
                f"and there are {len(train)}"
            )
        train = train.to(exam.device)
        there = nearest(exam.rows(view, self.samples).to(exam.device), train, self.candidates)[1]
        others = nearest_others(train, self.candidates + 1, self.samples)[1]
        fake = self._least(exam, exam.rows(Samples(), self.samples), there, images)
        real = self._least(exam, images(range(len(others))), others, images)
        receipt = exam.receipt(self.features)
        return Measurement(
            dict(zip(self.directions(), (fake.mean().item(), real.mean().item()), strict=True)),
            {
                **receipt,
                "fake": len(fake),
                "real": len(train),
                "compared": len(real),
                "trained-on": reference,
                "search": exam.network(self.search).name,
                "candidates": self.candidates,
                "dtype": "features float32, distances float64",
                "warning": comparability_warning(
                    self.features, receipt, min(len(fake), len(real)), "the mean is rough"
                ),
            },
        )

    def _least(
        self, exam: Exam, samples: Tensor, candidates: Tensor, images: Callable[[Sequence[int]], Tensor]
    ) -> Tensor:
        """Return the least squared distance [N] of samples to those training images [N, candidates]."""
        found = []
        for sample, numbers in zip(samples, candidates.tolist(), strict=True):
            near = images(numbers)
            if len(near) > self.candidates:  # one more was looked for, since one may be the sample's mirror image
                near = near[~mirrored(near, sample[None])][: self.candidates]
            vectors = torch.cat(list(perceptual_vectors(exam, self.features, torch.cat([sample[None], near])))).double()
            found.append((vectors[1:] - vectors[:1]).square().sum(1).min())
        return torch.stack(found)

    @property
    def _name(self) -> str:
        return self.kind if isinstance(self.features, Lpips) else f"feature-nearest-{self.features.kind}"


def _images(source: Source, numbers: Sequence[int]) -> Tensor:
    return source.batch(np.asarray(numbers, dtype=np.int64))["image"]
