"""Memorisation: samples that are copies of training images."""

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
    Sampler,
    SampleRequest,
    Source,
)
from ganforge.builtin.features.inception import Inception
from ganforge.builtin.metrics.parts.dataset_features import dataset_features
from ganforge.builtin.metrics.parts.nearest_neighbours import mirrored, nearest, nearest_others

SAME = 1e-3  # of the deviation of the features: real samples nearer than that to another are copies of it
FEW = 20  # samples of a cell, below which it tells nothing
BATCH = 64


class Memorisation(Metric):
    """Whether samples are nearer to training images than real images are (Meehan et al. 2020, arXiv:2004.05675).

    Distances are to the nearest of all training images in the space of some features. They are compared with those of
    held-out real images where there are such (`held_out`), or else with those of training images to their nearest other
    one that is not its mirror image; real images that have a copy are left out of these. Values, with -KIND behind them
    where the features are not Inception's:

    - `memorised`: the share of samples that are nearer to a training image than all but `quantile` of the real images
      are. If nothing is memorised it is about `quantile`, or less; copies raise it by their share.
    - `nearest-train-ratio`: the median distance of samples over that of real images. Near 1 for samples like real ones,
      near 0 for copies, above 1 for samples that are unlike any.
    - `data-copying`: C_T of the paper's sec. 4, the z-score of a Mann-Whitney test of the two sets of distances,
      averaged over cells of the space (k-means on training images). Far below 0, such as -5: copies; far above 0:
      samples that are unlike any.
    """

    kind: Literal["memorisation"] = "memorisation"
    features: AnyFeatures = Field(default=Inception(), description='in whose space images are near; or "pixels"')
    samples: int = Field(
        default=2_000, ge=FEW, le=1_000_000, description="generated samples, and real ones beside them"
    )
    trained_on: AnyDataset | None = Field(
        default=None, description="training images; left out: the reference, which is then the training data"
    )
    held_out: AnyDataset | None = Field(
        default=None, description="real samples that were not trained on, of the same shape"
    )
    quantile: float = Field(default=0.01, gt=0, lt=1, description="of real distances: nearer samples are memorised")
    cells: int = Field(default=8, ge=1, le=10_000, description="parts of the space that are tested apart")

    def directions(self) -> Mapping[str, Better | None]:
        """Return the names of its values, and which way each is better."""
        names = [self._name(name) for name in ("memorised", "nearest-train-ratio", "data-copying")]
        return dict(zip(names, ("lower", "higher", "higher"), strict=True))

    def requests(self, source: Source) -> Sequence[SampleRequest]:
        """Features of generated samples and of all training images.

        Raises:
            DataError: there are too few real samples.
        """
        if len(source) <= FEW:
            raise DataError(f"memorisation needs more than {FEW} real samples, and the data have {len(source)}")
        view = FeatureOutput(self.features)
        wanted = [SampleRequest(view, self.samples)]
        return wanted if self.trained_on is not None else [*wanted, SampleRequest(view, sys.maxsize, "real")]

    def measure(self, exam: Exam) -> Measurement:
        """Return the three values and their receipt.

        Raises:
            DataError: held-out samples are of another shape.
        """
        view = FeatureOutput(self.features)
        if self.trained_on is None:
            train, reference, images = exam.rows(view, sys.maxsize, "real"), exam.source.fingerprint, exam.real
        else:
            source = self.trained_on.open(exam.cache)
            reference, order = source.fingerprint, Sampler(0, len(source)).permutation(0)
            train = dataset_features(exam, self.features, source, f"{self.kind}.trained_on")[torch.from_numpy(order)]
            images = partial(_images, source, order)
        train, fake = train.to(exam.device), exam.rows(view, self.samples).to(exam.device)
        if self.held_out is None:
            real = train[: self.samples]
            real_far = alone_distances(train, len(real), images)
            compared = "training images with their nearest others"
        else:
            source = self.held_out.open(exam.cache)
            real = dataset_features(exam, self.features, source, f"{self.kind}.held_out", self.samples).to(exam.device)
            real_far = nearest(real, train)[0][:, 0]
            compared = source.fingerprint
        alone = real_far > SAME * train.double().var(0).sum().sqrt()
        real, real_far = real[alone], real_far[alone]
        fake_far = nearest(fake, train)[0][:, 0]
        if len(real_far) < FEW:
            raise DataError(
                "memorisation: nearly all real samples are copies of others; nothing can be compared with them"
            )
        values = (
            (fake_far < real_far.quantile(self.quantile)).double().mean().item(),
            (fake_far.quantile(0.5) / real_far.quantile(0.5)).item(),
            data_copying(cells_of(train, [fake, real], self.cells), [fake_far, real_far]),
        )
        few = len(train) < 100 / self.quantile or len(fake) < 10 / self.quantile
        return Measurement(
            dict(zip(self.directions(), values, strict=True)),
            {
                **exam.receipt(self.features),
                "trained-on": reference,
                "fake": len(fake),
                "real": len(train),
                "compared-with": compared,
                "compared": len(real_far),
                "copies-among-real": int((~alone).sum()),
                "quantile": self.quantile,
                "cells": self.cells,
                "dtype": "features float32, distances float64",
                "warning": f"few samples: nothing memorised is a share of {self.quantile:g}, give or take as much"
                if few
                else None,
            },
        )

    def _name(self, value: str) -> str:
        return value if isinstance(self.features, Inception) else f"{value}-{self.features.kind}"


def alone_distances(train: Tensor, count: int, images: Callable[[Sequence[int]], Tensor]) -> Tensor:
    """Return distances [count] of the first training images to their nearest other, but for a mirrored twin.

    Args:
        train: features [N, D].
        count: how many.
        images: returns training images by number.
    """
    far, places = nearest_others(train, 2, first=count)
    twins = []
    for start in range(0, count, BATCH):
        part = range(start, min(start + BATCH, count))
        twins.append(mirrored(images(part), images(places[part.start : part.stop, 0].tolist())))
    return torch.where(torch.cat(twins).to(far.device), far[:, 1], far[:, 0])


def _images(source: Source, order: np.ndarray, numbers: Sequence[int]) -> Tensor:
    return source.batch(order[np.asarray(numbers, dtype=np.int64)])["image"]


def cells_of(train: Tensor, sets: Sequence[Tensor], cells: int) -> list[np.ndarray]:
    """Return which cell each vector of each set is in, by k-means on training vectors."""
    if cells == 1:
        return [np.zeros(len(vectors), dtype=np.int64) for vectors in sets]
    from sklearn.cluster import KMeans  # slow to import

    means = KMeans(min(cells, len(train)), n_init=1, random_state=0).fit(train.cpu().numpy())
    return [means.predict(vectors.cpu().numpy()) for vectors in sets]


def data_copying(cells: Sequence[np.ndarray], distances: Sequence[Tensor]) -> float:
    """Return C_T (Meehan et al. 2020, eq. 4): Mann-Whitney z-scores, averaged over cells by their real samples.

    Args:
        cells: of generated and of real samples.
        distances: to the nearest training sample, of generated and of real samples.

    Returns:
        Below 0 where generated samples are nearer than real ones; NaN where no cell has samples enough of both.
    """
    from scipy.stats import rankdata  # slow to import

    fake_far, real_far = (far.cpu().numpy() for far in distances)
    total = weight = 0.0
    for cell in np.unique(cells[1]):
        fake, real = fake_far[cells[0] == cell], real_far[cells[1] == cell]
        m, n = len(fake), len(real)
        if min(m, n) >= min(FEW, len(fake_far), len(real_far)):
            wins = rankdata(np.concatenate([fake, real]))[:m].sum() - m * (m + 1) / 2
            z = (wins - m * n / 2) / np.sqrt(m * n * (m + n + 1) / 12)
            total, weight = total + n * z, weight + n
    return float(total / weight) if weight else float("nan")
