"""How exactly pictures move when the generator is told to move them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from ganforge.builtin.metrics.resampled import band_limited, rotated, translated
from ganforge.dice import Dice, Roll
from ganforge.errors import DataError, GanforgeError
from ganforge.families import Metric
from ganforge.metric import Exam, Measurement
from ganforge.network import Draw, EquivariantGenerator

PEAK = 2.0  # images are in [-1, 1]
CEILING = 200.0  # dB: no error that float32 could show
SMALLEST = 16  # pixels of the images: smaller ones have no inner part that a filter could see whole
SAMPLES = Field(default=1_000, ge=1, le=1_000_000, description="generated samples, each moved once; papers take 50,000")

Errors = Callable[[EquivariantGenerator, Tensor, Tensor], Tensor]  # (generator, styles, numbers) -> [B, 2 k]


class TranslationEquivariance(Metric):
    """EQ-T: peak signal-to-noise ratio of translation, in dB (Karras et al. 2021, arXiv:2106.12423, app. E).

    What the generator makes when told to move by t is compared with its unmoved picture, moved: over samples, over t
    uniform within an eighth of the width along each axis, over all pixels that both pictures hold. `eq-t` takes whole
    pixels, so that the reference is exact; `eq-t-frac` takes any t, and its reference is resampled with a Lanczos
    filter, whose own error is part of the value.
    """

    kind: Literal["eq-t"] = "eq-t"
    better: ClassVar[Literal["lower", "higher"]] = "higher"
    samples: int = SAMPLES
    reach: float = Field(default=0.125, gt=0, le=0.25, description="farthest translation, in widths of the image")

    def measure(self, exam: Exam) -> Measurement:
        """Return `eq-t` and `eq-t-frac`; a `GanforgeError` where the generator cannot move what it shows."""

        def errors(generator: EquivariantGenerator, styles: Tensor, numbers: Tensor) -> Tensor:
            plain, found = generator.synthesize(styles).double(), []
            size = plain.shape[2]
            shift = (2 * numbers - 1).double() * (self.reach * size)  # [B, 2] pixels
            for pixels in (shift.round(), shift):
                motion = torch.eye(3, device=plain.device).repeat(len(plain), 1, 1)
                motion[:, :2, 2] = pixels / size
                found.append(_squares(generator.moved(styles, motion).double(), *translated(plain, pixels)))
            return torch.cat(found, 1)

        whole, any_ = _measure(self.kind, exam, self.samples, errors)
        values = {"eq-t": whole, "eq-t-frac": any_}
        return Measurement(values, {**exam.receipt(), "fake": self.samples, "reach": self.reach})


class RotationEquivariance(Metric):
    """EQ-R: peak signal-to-noise ratio of rotation, in dB (Karras et al. 2021, arXiv:2106.12423, app. E).

    What the generator makes when told to turn is compared with its unturned picture, turned: over samples, angles and
    all pixels whose filters see no border. Frequencies that a grid of pixels cannot hold at both angles are taken out
    of both.
    """

    kind: Literal["eq-r"] = "eq-r"
    better: ClassVar[Literal["lower", "higher"]] = "higher"
    samples: int = SAMPLES

    def measure(self, exam: Exam) -> Measurement:
        """Return `eq-r`; a `GanforgeError` where the generator cannot move what it shows."""

        def errors(generator: EquivariantGenerator, styles: Tensor, numbers: Tensor) -> Tensor:
            angle = numbers[:, 0].double() * (2 * math.pi)
            motion = torch.eye(3, device=angle.device).repeat(len(angle), 1, 1)
            cos, sin = angle.cos(), angle.sin()
            motion[:, :2, :2] = torch.stack([cos, -sin, sin, cos], 1).view(-1, 2, 2)
            found, seen = band_limited(generator.moved(styles, motion).double(), angle)
            expected, seen_too = rotated(generator.synthesize(styles).double(), angle)
            return _squares(found, expected, seen & seen_too)

        (value,) = _measure(self.kind, exam, self.samples, errors)
        return Measurement({"eq-r": value}, {**exam.receipt(), "fake": self.samples})


def _squares(found: Tensor, expected: Tensor, seen: Tensor) -> Tensor:
    """Return the sum of squared differences where pixels are seen, and the number of these, [B, 2]."""
    squares = ((found - expected).square() * seen).sum((1, 2, 3))
    return torch.stack([squares, seen.expand_as(found).sum((1, 2, 3)).double()], 1)


def _measure(kind: str, exam: Exam, samples: int, errors: Errors) -> list[float]:
    """Return a value in dB for each pair of columns that `errors` gives."""
    size = exam.source.spec.resolution
    if size < SMALLEST:
        raise DataError(f"{kind} needs images of {SMALLEST} pixels or more, and the data have {size}")
    batch = max(1, min(64, 2**16 // size**2))
    dice = Dice().to(exam.device)
    dice.set_roll(kind, Roll(exam.seed, kind, rows=samples, total=samples))
    numbers = iter(torch.split(dice.uniform(samples, 2), batch))

    def question(draw: Draw) -> Tensor:
        generator = draw.generator
        if not isinstance(generator, EquivariantGenerator):
            raise GanforgeError(
                f"{kind} needs a generator that can move what it shows, and game.generator.network is a "
                f"{type(generator).__name__}; choose one such as stylegan3, or leave the metric out"
            )
        return errors(generator, generator.styles(draw.latents, draw.labels), next(numbers))

    total = torch.cat(list(exam.probe(question, samples, batch))).double().sum(0)
    return [decibels((squares / count).item()) for squares, count in total.view(-1, 2)]


def decibels(mean_square: float) -> float:
    """Return the peak signal-to-noise ratio of an error of images in [-1, 1], in dB, at most 200."""
    return min(CEILING, 10 * math.log10(PEAK**2 / max(mean_square, 1e-30)))
