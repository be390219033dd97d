"""Drawn shapes, whose place and size are known: conditions that a generator follows can be measured."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from PIL import Image
from pydantic import Field, field_validator
from torch import Tensor

from ganforge.api import Batch, Dataset, DataSpec, KnownConditions, Source, derive_seed, picture_grid
from ganforge.builtin.data.sources.pixels import digest

Shape = Literal["disc", "square", "diamond"]
_NORMS: dict[Shape, Callable[[Tensor, Tensor], Tensor]] = {  # of the plane, whose balls they are
    "disc": torch.hypot,
    "square": torch.maximum,
    "diamond": torch.add,
}
_AREAS: dict[Shape, float] = {"disc": math.pi, "square": 4.0, "diamond": 2.0}  # of the ball of radius 1
_REACH, _RADIUS, _SPREAD = 0.55, 0.3, 0.12  # in half widths of the image: centres in +-reach, radii in radius +- spread


class ShapesSource(Source, KnownConditions):
    """Bright shapes on black, drawn when they are asked for; sample i is the same on every machine and in every run."""

    def __init__(self, recipe: Shapes) -> None:
        self.recipe, kinds = recipe, recipe.shapes
        numbers = np.random.Generator(np.random.PCG64(derive_seed("shapes")))
        self.conditions = torch.from_numpy(numbers.uniform(-1, 1, (recipe.samples, 3)).astype(np.float32))
        self.kinds = torch.arange(recipe.samples) % len(kinds)
        size = (1, recipe.resolution, recipe.resolution)
        if recipe.labels == "classes":
            self.spec = DataSpec(size, len(kinds), tuple(kinds))
        else:
            self.spec = DataSpec(size, conditions=3 if recipe.labels == "conditions" else 0)
        self.fingerprint = digest(b"shapes 1", recipe.model_dump_json().encode())

    def __len__(self) -> int:
        return self.recipe.samples

    def batch(self, indices: np.ndarray) -> Batch:
        """Return images uint8 [B, 1, R, R] and labels: classes int64 [B], or x, y and size float32 [B, 3]."""
        index = torch.from_numpy(np.asarray(indices, np.int64))
        batch = {"image": self._draw(self.conditions[index], self.kinds[index])}
        if self.recipe.labels != "none":
            batch["label"] = (self.kinds if self.recipe.labels == "classes" else self.conditions)[index]
        return batch

    def _draw(self, conditions: Tensor, kinds: Tensor) -> Tensor:
        pixel = 2 / self.recipe.resolution
        line = (torch.arange(self.recipe.resolution) + 0.5) * pixel - 1
        x, y, size = conditions[:, :, None, None].unbind(1)
        across, down = (line[None, None, :] - _REACH * x).abs(), (line[None, :, None] - _REACH * y).abs()
        far = torch.empty(len(kinds), len(line), len(line))
        for index, kind in enumerate(self.recipe.shapes):
            own = kinds == index
            far[own] = _NORMS[kind](across[own], down[own])
        inside = ((_RADIUS + _SPREAD * size - far) / pixel + 0.5).clamp(0, 1)  # the edge is one pixel wide
        return (inside * 255).round().to(torch.uint8)[:, None]

    def measure(self, samples: Tensor) -> Tensor:
        """Return x, y and size [N, 3] of images [N, 1, R, R] in [-1, 1], from the light's centre and amount."""
        light = (samples[:, 0].double() + 1) / 2
        light = torch.where(light > 0.25, light, 0.0)  # what is nearly black is background
        total = light.sum((1, 2)).clamp(min=1e-6)
        line = (torch.arange(samples.shape[2], device=samples.device) + 0.5) * (2 / samples.shape[2]) - 1
        x, y = ((light * at).sum((1, 2)) / total / _REACH for at in (line[None, None, :], line[None, :, None]))
        area = sum(_AREAS[kind] for kind in self.recipe.shapes) / len(self.recipe.shapes)
        radius = (total * (2 / samples.shape[2]) ** 2 / area).sqrt()
        return torch.stack([x, y, (radius - _RADIUS) / _SPREAD], 1)

    def show(self, samples: Tensor) -> Image.Image:
        """Return a grid of images [N, 1, R, R] in [-1, 1]."""
        return picture_grid(samples)


class Shapes(Dataset):
    """Bright discs, squares and diamonds on black, each with its place and size, drawn at any resolution.

    A simple relative of the shapes of dSprites (Matthey et al. 2017, github.com/google-deepmind/dsprites-dataset): the
    balls of three norms of the plane, with edges of one pixel.
    """

    kind: Literal["shapes"] = "shapes"
    resolution: int = Field(default=32, ge=8, le=1024, description="height and width of the images, in pixels")
    samples: int = Field(default=10_000, ge=1, le=10_000_000, description="images in the data set")
    shapes: tuple[Shape, ...] = Field(
        default=("disc", "square", "diamond"), min_length=1, description="what is drawn, in turn"
    )
    labels: Literal["conditions", "classes", "none"] = Field(
        default="conditions", description="conditions = x, y and size, each in [-1, 1]; classes = which shape"
    )

    @field_validator("shapes")
    @classmethod
    def _check_distinct(cls, shapes: tuple[Shape, ...]) -> tuple[Shape, ...]:
        if len(set(shapes)) < len(shapes):
            raise ValueError("a shape is named twice; name each once")
        return shapes

    def open(self, cache: Path) -> ShapesSource:
        """Open the shapes; nothing is cached."""
        return ShapesSource(self)
