"""EQ-T and EQ-R of generators whose answer is known: exact ones, stubborn ones, and ones that are off by so much."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from support.examinations import ArraySource, DiceGame, exam_of, measured, noise
from torch import Tensor, nn

from ganforge.api.network import Draw, EquivariantGenerator
from ganforge.builtin.metrics.equivariance import RotationEquivariance, TranslationEquivariance, decibels
from ganforge.builtin.metrics.parts.image_motion import (
    limit_band,
    octagon_filter,
    rotate_image,
    rotate_vectors,
    translate_image,
)
from ganforge.errors import DataError, GanforgeError

R = 32


class Waves(EquivariantGenerator):
    """Sums of sine waves, the sum of each latent's own, moved exactly.

    Args:
        frequency: of all waves, in cycles per pixel.
        offset: what is added to moved pictures.
        sense: which way it turns; -1 is the wrong one.
    """

    def __init__(self, frequency: float, offset: float = 0.0, sense: float = 1.0, size: int = R) -> None:
        super().__init__()
        angle = torch.arange(8) * (2 * math.pi / 8) + 0.1
        waves = frequency * size * torch.stack([angle.cos(), angle.sin()], 1)
        self.register_buffer("waves", waves.double())
        self.offset, self.sense, self.size = offset, sense, size

    def forward(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        return self.synthesize(self.styles(latents, labels))

    def styles(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        return latents[:, None]

    def synthesize(self, styles: Tensor) -> Tensor:
        return self.picture(styles, torch.eye(3).expand(len(styles), 3, 3))

    def moved(self, styles: Tensor, motion: Tensor) -> Tensor:
        motion = motion.clone()
        motion[:, 0, 1] *= self.sense
        motion[:, 1, 0] *= self.sense
        return self.picture(styles, motion) + self.offset

    def picture(self, styles: Tensor, motion: Tensor) -> Tensor:
        axis = (torch.arange(self.size, dtype=torch.float64) + 0.5) / self.size - 0.5
        y, x = torch.meshgrid(axis, axis, indexing="ij")
        places = torch.stack([x, y, torch.ones_like(x)], 2).reshape(-1, 3)
        source = places @ torch.linalg.inv(motion.double()).transpose(1, 2)
        phase = 2 * math.pi * source[:, :, :2] @ self.waves.t() + 3 * styles
        return (torch.sin(phase).sum(2) / 4).view(-1, 1, self.size, self.size).float()


class Stubborn(Waves):
    """Noise of deviation 0.5, another for each latent, which does not move."""

    def picture(self, styles: Tensor, motion: Tensor) -> Tensor:
        seeds = (styles[:, 0, 0] * 1e6).long().tolist()
        pictures = [torch.randn(1, R, R, generator=torch.Generator().manual_seed(abs(seed))) for seed in seeds]
        return 0.5 * torch.stack(pictures)


class AnyGame(DiceGame):
    """A game of a given generator."""

    def __init__(self, generator: nn.Module) -> None:
        super().__init__((1, R, R))
        self.generator = generator

    def draw(self, count: int, labels: Tensor | None = None) -> Draw:
        return Draw(self.generator, self.dice.normal(count, 8), labels)


def eq_t(generator: nn.Module, cache: Path, samples: int = 64) -> tuple[float, float]:
    source = ArraySource(noise(2, 1, R, R))
    found = measured(TranslationEquivariance(samples=samples), exam_of(AnyGame(generator), source, cache))
    assert found.receipt["fake"] == samples
    return found.values["eq-t"], found.values["eq-t-frac"]


def eq_r(generator: nn.Module, cache: Path, samples: int = 24) -> float:
    source = ArraySource(noise(2, 1, R, R))
    return measured(RotationEquivariance(samples=samples), exam_of(AnyGame(generator), source, cache)).values["eq-r"]


def test_an_exact_generator_has_the_error_of_float32_alone(tmp_path: Path) -> None:
    """Motions and pictures are float32: a translation is off by 1e-8 widths, a picture by 1e-8, 160 dB below the peak.

    Where references are resampled, waves of 0.1 cycles per pixel keep the error of a Lanczos filter of 3: 60 dB.
    """
    whole, fractional = eq_t(Waves(0.1), tmp_path)
    assert whole > 125
    assert 45 < fractional < whole
    assert eq_r(Waves(0.1), tmp_path) > 55


@pytest.mark.parametrize("offset", [0.2, 0.02])
def test_a_constant_error_has_its_own_ratio(offset: float, tmp_path: Path) -> None:
    """20 log10(2 / offset): filters keep a constant, whole or fractional, moved or turned."""
    expected = 20 * math.log10(2 / offset)
    whole, fractional = eq_t(Waves(0.1, offset), tmp_path)
    assert whole == pytest.approx(expected, abs=0.01)
    assert fractional == pytest.approx(expected, abs=0.1)
    assert eq_r(Waves(0.1, offset), tmp_path) == pytest.approx(expected, abs=0.1)


def test_noise_that_does_not_move_has_twice_its_variance_as_error(tmp_path: Path) -> None:
    """10 log10(4 / (2 * 0.25)) = 9.03 dB, less the share of translations by nothing: rounded to 0 of 8 pixels, squared.

    A moved picture and the unmoved one are independent, as soon as they differ by a pixel. 400 pictures of some 800
    pixels: the variance is known to 0.3 %, the share 1/64 of stills to sqrt(400 / 64) / 400 = 0.6 %: 0.03 dB each.
    """
    whole, _ = eq_t(Stubborn(0.1), tmp_path, samples=400)
    assert whole == pytest.approx(10 * math.log10(4 / (2 * 0.25 * (1 - 1 / 64))), abs=0.1)


def test_turning_the_wrong_way_is_noticed(tmp_path: Path) -> None:
    right, wrong = eq_r(Waves(0.05), tmp_path), eq_r(Waves(0.05, sense=-1.0), tmp_path)
    assert right > 55
    assert wrong < 15


def test_values_do_not_depend_on_the_size_of_batches_but_on_the_seed(tmp_path: Path) -> None:
    source, game = ArraySource(noise(2, 1, R, R)), AnyGame(Waves(0.2))
    metric = TranslationEquivariance(samples=70)  # more than a batch
    one = measured(metric, exam_of(game, source, tmp_path)).values
    assert measured(metric, exam_of(game, source, tmp_path)).values == one
    assert measured(metric, exam_of(game, source, tmp_path, seed=6)).values != one


@pytest.mark.parametrize("metric", [TranslationEquivariance(samples=2), RotationEquivariance(samples=2)])
def test_what_cannot_be_measured_is_said_in_words(
    metric: TranslationEquivariance | RotationEquivariance, tmp_path: Path
) -> None:
    assert set(metric.directions().values()) == {"higher"}
    with pytest.raises(GanforgeError, match=f"{metric.kind} needs a generator that can move .* is a Identity"):
        measured(metric, exam_of(AnyGame(nn.Identity()), ArraySource(noise(2, 1, R, R)), tmp_path))
    with pytest.raises(DataError, match="16 pixels or more, and the data have 8"):
        measured(metric, exam_of(AnyGame(Waves(0.1)), ArraySource(noise(2, 1, 8, 8)), tmp_path))


def test_decibels() -> None:
    assert decibels(4.0) == 0
    assert decibels(0.04) == pytest.approx(20)
    assert decibels(0.0) == 200


def test_octagon_is_the_transform_of_what_two_squares_share() -> None:
    """By brute force: the mean of exp(2 pi i f.u) over frequencies f of a square that turned are in it too."""
    angle = torch.tensor([0.0, 0.7, math.pi / 2, 2.0, -0.3, math.pi / 4], dtype=torch.float64)
    offset = 1.5 * torch.randn(6, 5, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    offset[:, 0] = 0.0
    offset[:, 1, 0] = 0.0
    axis = (torch.arange(401, dtype=torch.float64) + 0.5) / 401 - 0.5
    frequency = torch.cartesian_prod(axis, axis)
    inside = (rotate_vectors(frequency[None], angle).abs() < 0.5 + 1e-9).all(2).double()  # [6, F]
    phase = 2 * math.pi * torch.einsum("fk,auk->auf", frequency, offset)
    expected = torch.einsum("af,auf->au", inside, phase.cos()) / len(frequency)
    torch.testing.assert_close(octagon_filter(offset, angle), expected, rtol=0, atol=4e-3)


def test_translated_by_whole_pixels_is_a_shift_and_says_what_it_saw() -> None:
    images = torch.randn(1, 2, 8, 8, dtype=torch.float64)
    moved, seen = translate_image(images, torch.tensor([[3.0, -1.0]]))
    torch.testing.assert_close(moved[:, :, :7, 3:], images[:, :, 1:, :5], rtol=0, atol=1e-12)
    assert seen[0, 0, :7, 3:].all()
    assert seen.sum() == 7 * 5
    _, seen = translate_image(images, torch.tensor([[0.5, 0.0]]))
    assert seen.sum() == 8 * 3, "of 8 columns those three whose six neighbours are all there"


def test_rotated_by_a_quarter_is_exact_but_for_the_filter_that_both_have() -> None:
    images, angle = torch.randn(1, 1, 12, 12, dtype=torch.float64), torch.tensor([math.pi / 2], dtype=torch.float64)
    found, seen = rotate_image(images, angle)
    other, seen_too = limit_band(torch.rot90(images, -1, (2, 3)), angle)
    torch.testing.assert_close(found[seen & seen_too], other[seen & seen_too], rtol=0, atol=1e-9)
    torch.testing.assert_close(found[seen], torch.rot90(images, -1, (2, 3))[seen], rtol=0, atol=1e-9)
    assert seen.sum() == 12 * 12
