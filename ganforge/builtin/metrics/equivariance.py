"""Equivariance: the precision with which images move when the generator is told to move them."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from ganforge.api import (
    Better,
    DataError,
    EquivariantGenerator,
    Exam,
    ExaminedBatch,
    GanforgeError,
    Measurement,
    Metric,
    SampleRequest,
    Source,
    View,
)
from ganforge.builtin.metrics.parts.image_motion import limit_band, rotate_image, translate_image

PEAK = 2.0  # images are in [-1, 1]
CEILING = 200.0  # dB: no error that float32 could show
SMALLEST = 16  # pixels of the images: smaller ones have no inner part that a filter could see whole
SAMPLES = Field(default=1_000, ge=1, le=1_000_000, description="generated samples, each moved once; papers take 50,000")

PORTION = 2**16  # pixels of one channel that are moved at a time: the filters of a pixel take some memory


@dataclass(frozen=True)
class MotionErrors(View):
    """How far the moved pictures of a generator are from its unmoved ones, moved.

    Args:
        size: pixels of a picture.
    """

    metric: ClassVar[str]

    size: int

    @abstractmethod
    def errors(self, generator: EquivariantGenerator, styles: Tensor, numbers: Tensor) -> Tensor:
        """Return, for styles [B, ...] and numbers [B, 2] in [0, 1), pairs [B, 2 k] of squared error and its pixels."""

    def rows(self, seen: ExaminedBatch) -> Tensor:
        """Return the pairs; a `GanforgeError` where the generator cannot move what it shows."""
        draw = seen.draw
        generator = draw.generator
        if not isinstance(generator, EquivariantGenerator):
            raise GanforgeError(
                f"{self.metric} needs a generator that can move what it shows, and game.generator.network is a "
                f"{type(generator).__name__}; choose one such as stylegan3, or leave the metric out"
            )
        numbers = seen.dice(type(self).__name__).uniform(len(draw.latents), 2)
        styles = generator.styles(draw.latents, draw.labels)
        parts = zip(*(torch.split(p, max(1, PORTION // self.size**2)) for p in (styles, numbers)), strict=True)
        return torch.cat([self.errors(generator, *part) for part in parts])


@dataclass(frozen=True)
class TranslationErrors(MotionErrors):
    """Errors of translation, by whole pixels and by any number of them."""

    metric: ClassVar[str] = "eq-t"

    reach: float

    def errors(self, generator: EquivariantGenerator, styles: Tensor, numbers: Tensor) -> Tensor:
        """Return both pairs, [B, 4]."""
        plain, found = generator.synthesize(styles).double(), []
        size = plain.shape[2]
        shift = (2 * numbers - 1).double() * (self.reach * size)  # [B, 2] pixels
        for pixels in (shift.round(), shift):
            motion = torch.eye(3, device=plain.device).repeat(len(plain), 1, 1)
            motion[:, :2, 2] = pixels / size
            found.append(_squares(generator.moved(styles, motion).double(), *translate_image(plain, pixels)))
        return torch.cat(found, 1)


@dataclass(frozen=True)
class RotationErrors(MotionErrors):
    """Errors of rotation."""

    metric: ClassVar[str] = "eq-r"

    def errors(self, generator: EquivariantGenerator, styles: Tensor, numbers: Tensor) -> Tensor:
        """Return one pair, [B, 2]."""
        angle = numbers[:, 0].double() * (2 * math.pi)
        motion = torch.eye(3, device=angle.device).repeat(len(angle), 1, 1)
        cos, sin = angle.cos(), angle.sin()
        motion[:, :2, :2] = torch.stack([cos, -sin, sin, cos], 1).view(-1, 2, 2)
        found, seen = limit_band(generator.moved(styles, motion).double(), angle)
        expected, seen_too = rotate_image(generator.synthesize(styles).double(), angle)
        return _squares(found, expected, seen & seen_too)


class TranslationEquivariance(Metric):
    """EQ-T: peak signal-to-noise ratio of translation, in dB (Karras et al. 2021, arXiv:2106.12423, app. E).

    What the generator makes when told to move by t is compared with its unmoved picture, moved: over samples, over t
    uniform within an eighth of the width along each axis, over all pixels that both pictures hold. `eq-t` takes whole
    pixels, so that the reference is exact; `eq-t-frac` takes any t, and its reference is resampled with a Lanczos
    filter, whose own error is part of the value.
    """

    kind: Literal["eq-t"] = "eq-t"
    samples: int = SAMPLES
    reach: float = Field(default=0.125, gt=0, le=0.25, description="farthest translation, in widths of the image")

    def directions(self) -> Mapping[str, Better | None]:
        """Return the names of its values, and which way each is better."""
        return {"eq-t": "higher", "eq-t-frac": "higher"}

    def requests(self, source: Source) -> Sequence[SampleRequest]:
        """The errors of moved samples; a `DataError` where the images are too small to tell."""
        return _error_requests(self.kind, source, TranslationErrors(source.spec.resolution, self.reach), self.samples)

    def measure(self, exam: Exam) -> Measurement:
        """Return `eq-t` and `eq-t-frac`."""
        whole, any_ = _decibel_values(
            exam.rows(TranslationErrors(exam.source.spec.resolution, self.reach), self.samples)
        )
        values = {"eq-t": whole, "eq-t-frac": any_}
        return Measurement(values, {**exam.receipt(), "fake": self.samples, "reach": self.reach})


class RotationEquivariance(Metric):
    """EQ-R: peak signal-to-noise ratio of rotation, in dB (Karras et al. 2021, arXiv:2106.12423, app. E).

    What the generator makes when told to turn is compared with its unturned picture, turned: over samples, angles and
    all pixels whose filters see no border. Frequencies that a grid of pixels cannot hold at both angles are taken out
    of both.
    """

    kind: Literal["eq-r"] = "eq-r"
    samples: int = SAMPLES

    def directions(self) -> Mapping[str, Better | None]:
        """Return the names of its values, and which way each is better."""
        return {"eq-r": "higher"}

    def requests(self, source: Source) -> Sequence[SampleRequest]:
        """The errors of turned samples; a `DataError` where the images are too small to tell."""
        return _error_requests(self.kind, source, RotationErrors(source.spec.resolution), self.samples)

    def measure(self, exam: Exam) -> Measurement:
        """Return `eq-r`."""
        (value,) = _decibel_values(exam.rows(RotationErrors(exam.source.spec.resolution), self.samples))
        return Measurement({"eq-r": value}, {**exam.receipt(), "fake": self.samples})


def _squares(found: Tensor, expected: Tensor, seen: Tensor) -> Tensor:
    """Return the sum of squared differences where pixels are seen, and the number of these, [B, 2]."""
    squares = ((found - expected).square() * seen).sum((1, 2, 3))
    return torch.stack([squares, seen.expand_as(found).sum((1, 2, 3)).double()], 1)


def _error_requests(kind: str, source: Source, view: MotionErrors, samples: int) -> Sequence[SampleRequest]:
    size = source.spec.resolution
    if size < SMALLEST:
        raise DataError(f"{kind} needs images of {SMALLEST} pixels or more, and the data have {size}")
    return (SampleRequest(view, samples),)


def _decibel_values(rows: Tensor) -> list[float]:
    """Return a value in dB for each pair of columns."""
    return [decibels((squares / count).item()) for squares, count in rows.double().sum(0).view(-1, 2)]


def decibels(mean_square: float) -> float:
    """Return the peak signal-to-noise ratio of an error of images in [-1, 1], in dB, at most 200."""
    return min(CEILING, 10 * math.log10(PEAK**2 / max(mean_square, 1e-30)))
