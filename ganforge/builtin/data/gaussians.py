"""Mixtures of Gaussians in the plane, whose modes are known: mode collapse can be counted."""

from __future__ import annotations

import math
from abc import abstractmethod
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from PIL import Image
from pydantic import Field
from torch import Tensor

from ganforge.api import Batch, Dataset, DataSpec, KnownModes, Source, derive_seed
from ganforge.builtin.data.sources.pixels import digest
from ganforge.builtin.data.sources.scatter import scatter


class GaussianSource(Source, KnownModes):
    """A finite set of points, sample i of mode i mod M, the same on every machine and in every run.

    Args:
        modes: centres [M, 2].
        std: of every mode, per axis.
        samples: how many points there are.
        labels: label each point with its mode.
    """

    def __init__(self, modes: np.ndarray, std: float, samples: int, *, labels: bool) -> None:
        self.modes, self.std = modes.astype(np.float32), std
        noise = np.random.Generator(np.random.PCG64(derive_seed("gaussians"))).standard_normal((samples, 2))
        self.mode_of = np.arange(samples, dtype=np.int64) % len(modes)
        self.points = (modes[self.mode_of] + std * noise).astype(np.float32)
        self.labels = labels
        names = tuple(f"{x:g}, {y:g}" for x, y in np.round(self.modes, 3) + 0.0)
        self.spec = DataSpec((2,), len(modes), names) if labels else DataSpec((2,))
        self.fingerprint = digest(self.points.tobytes(), repr((self.spec, std)).encode())

    def __len__(self) -> int:
        return len(self.points)

    def batch(self, indices: np.ndarray) -> Batch:
        """Return points float32 [B, 2], and the index of the mode of each [B] where labels were asked for."""
        batch = {"image": torch.from_numpy(self.points[indices])}
        if self.labels:
            batch["label"] = torch.from_numpy(self.mode_of[indices])
        return batch

    def show(self, samples: Tensor) -> Image.Image:
        """Return a scatter plot of points [N, 2] over the modes."""
        return scatter(samples, self.modes, self.std)


class Gaussians(Dataset):
    """Equally likely, equally round Gaussians in the plane."""

    std: float = Field(default=0.02, gt=0, le=100, description="standard deviation of each mode, per axis")
    samples: int = Field(default=10_000, ge=1, le=10_000_000, description="points in the data set")
    labels: bool = Field(default=False, description="label each point with its mode")

    @abstractmethod
    def centres(self) -> np.ndarray:
        """Return the modes [M, 2]."""

    def open(self, cache: Path) -> GaussianSource:
        """Draw the points; nothing is cached."""
        return GaussianSource(self.centres(), self.std, self.samples, labels=self.labels)


class Ring(Gaussians):
    """Gaussians evenly spaced on a circle around 0: eight of radius 2 in Metz et al. 2017, arXiv:1611.02163."""

    kind: Literal["ring"] = "ring"
    modes: int = Field(default=8, ge=1, le=10_000, description="Gaussians on the circle")
    radius: float = Field(default=2.0, gt=0, le=1_000, description="of the circle, in data units")

    def centres(self) -> np.ndarray:
        """Return the modes [M, 2], anticlockwise from (radius, 0)."""
        angles = 2 * math.pi * np.arange(self.modes) / self.modes
        return self.radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)


class Grid(Gaussians):
    """Gaussians on a square grid around the origin: 25, two apart, in Lin et al. 2018 (PacGAN), arXiv:1712.04086."""

    kind: Literal["grid"] = "grid"
    side: int = Field(default=5, ge=1, le=100, description="modes along each axis; side^2 in all")
    spacing: float = Field(default=2.0, gt=0, le=1_000, description="between neighbours, in data units")
    std: float = Field(default=0.05, gt=0, le=100, description="standard deviation of each mode, per axis")

    def centres(self) -> np.ndarray:
        """Return the modes [side^2, 2], row by row from the lowest x and y."""
        line = self.spacing * (np.arange(self.side) - (self.side - 1) / 2)
        return np.stack([axis.ravel() for axis in np.meshgrid(line, line, indexing="xy")], axis=1)
