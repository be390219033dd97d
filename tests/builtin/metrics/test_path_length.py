"""Path length: generators whose lengths can be calculated, arcs, what is discarded, noise, and what is refused."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from support.examinations import ArraySource, DiceGame, DrawnGame, MeanColours, exam_of, looked_at, measured, noise
from torch import Tensor

from ganforge.api.dice import Dice
from ganforge.api.families import Features
from ganforge.api.metric import FeatureNetwork
from ganforge.api.network import Draw, GeneratorNetwork, StyleGenerator
from ganforge.builtin.features.lpips import Lpips
from ganforge.builtin.features.pixels import Pixels
from ganforge.builtin.metrics.path_length import PathSteps, PerceptualPathLength, slerp
from ganforge.errors import DataError, GanforgeError

L, R = 6, 4
SOURCE = ArraySource(noise(4, 3, R, R))


class Linear(GeneratorNetwork):
    """Images that are `scale` times a rotation of the latents, on grey; with noise, if it is told so."""

    def __init__(self, scale: float = 0.1, noisy: bool = False, columns: int = L) -> None:
        super().__init__()
        numbers = torch.randn(3 * R * R, columns, generator=torch.Generator().manual_seed(0))
        self.register_buffer("columns", scale * torch.linalg.qr(numbers).Q)
        self.dice, self.noisy = Dice(), noisy

    def forward(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        images = latents @ self.get_buffer("columns").T
        images = images if labels is None else images * labels[:, None]
        images = images + self.dice.normal(*images.shape) if self.noisy else images
        return images.reshape(-1, 3, R, R)


class Styled(StyleGenerator):
    """Styles twice as long as the latents; images as `Linear` makes them of the mean style."""

    def __init__(self) -> None:
        super().__init__()
        self.synthesis = Linear()

    def forward(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        return self.synthesize(self.styles(latents, labels))

    def styles(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        return 2 * latents[:, None].expand(-1, 3, -1)

    def synthesize(self, styles: Tensor) -> Tensor:
        return self.synthesis(styles.mean(1))


class PathGame(DrawnGame):
    """Draws latents for a generator."""

    def __init__(self, generator: GeneratorNetwork, codes: bool = False, labels: bool = False) -> None:
        super().__init__((3, R, R))
        self.generator, self.codes, self.labels = generator, codes, labels

    def draw(self, count: int, labels: Tensor | None = None) -> Draw:
        latents = self.dice.normal(count, L)
        labels = self.dice.integers(3, count) + 1 if self.labels else None
        return Draw(self.generator, latents, labels, torch.zeros(count, 1) if self.codes else None)


def steps(game: DiceGame, cache: Path, count: int = 200, **fields: object) -> np.ndarray:
    fields = {"by": Pixels(), "space": "z", "path": "full", "epsilon": 1e-2, "crop": False, **fields}
    rows = looked_at(exam_of(game, SOURCE, cache), count, view=PathSteps(**fields))
    assert rows.shape == (count, 1)
    return np.asarray(rows[:, 0].double())


def ends(game: DiceGame, cache: Path, count: int = 200) -> tuple[Tensor, Tensor]:
    """The latents at both ends of the paths, float64."""
    seen = exam_of(game, SOURCE, cache).subject.batch(0, count)
    return seen.draw.latents.double(), seen.draw_again("Steps").latents.double()


def test_steps_of_a_linear_generator_on_arcs_are_as_long_as_calculus_says(tmp_path: Path) -> None:
    # on the arc z(t) = r(t) u(t) with u turning by the angle a and r from r1 to r2: |dz/dt|^2 = (r a)^2 + (r2 - r1)^2
    game = PathGame(Linear(0.1))
    one, two = ends(game, tmp_path)
    lengths = one.norm(dim=1), two.norm(dim=1)
    angle = ((one * two).sum(1) / lengths[0] / lengths[1]).acos()
    expected = 0.01 * ((lengths[0] * angle).square() + (lengths[1] - lengths[0]).square())
    np.testing.assert_allclose(steps(game, tmp_path, path="end", epsilon=1e-3), expected, rtol=5e-3)
    anywhere = steps(game, tmp_path, epsilon=1e-3)
    radius = np.sqrt(np.maximum(anywhere / 0.01 - np.asarray((lengths[1] - lengths[0]).square()), 0)) / angle.numpy()
    assert (radius > torch.minimum(*lengths).numpy() * 0.98).all()
    assert (radius < torch.maximum(*lengths).numpy() * 1.02).all()
    assert abs(radius - lengths[0].numpy()).max() > 0.3, "not all at the start"


def test_in_w_paths_are_straight_and_their_mean_is_known(tmp_path: Path) -> None:
    # styles are 2 z: |dw/dt|^2 = 4 |z2 - z1|^2, whose mean is 4 * 2 L; the generator scales squares by 0.01
    game = PathGame(Styled())
    one, two = ends(game, tmp_path)
    expected = 0.04 * (one - two).square().sum(1)
    for path in ("full", "end"):
        np.testing.assert_allclose(steps(game, tmp_path, space="w", path=path), expected, rtol=5e-3)
    found = measured(
        PerceptualPathLength(features=Pixels(), space="w", samples=3_000, discard=0), exam_of(game, SOURCE, tmp_path)
    )
    assert found.values["path-length-wfull-pixels"] == pytest.approx(0.08 * L, rel=0.06)


def test_it_grows_with_the_square_of_the_contrast_and_hardly_with_the_step(tmp_path: Path) -> None:
    one, three = (steps(PathGame(Linear(scale)), tmp_path, 50) for scale in (0.02, 0.06))
    np.testing.assert_allclose(three, 9 * one, rtol=1e-3)
    np.testing.assert_allclose(steps(PathGame(Linear(0.02)), tmp_path, 50, epsilon=1e-3), one, rtol=0.02)


def test_the_published_step_is_not_lost_in_rounding(tmp_path: Path) -> None:
    game = PathGame(Styled())
    coarse, fine = steps(game, tmp_path, space="w"), steps(game, tmp_path, space="w", epsilon=1e-4)
    assert fine.mean() == pytest.approx(coarse.mean(), rel=0.02)


def test_both_ends_have_one_noise_and_one_label(tmp_path: Path) -> None:
    still, noisy = (steps(PathGame(Linear(0.1, noisy)), tmp_path, 64) for noisy in (False, True))
    np.testing.assert_allclose(noisy, still, rtol=1e-2)
    game = PathGame(Linear(), labels=True)
    labelled = steps(game, tmp_path, 64)
    labels = exam_of(game, SOURCE, tmp_path).subject.batch(0, 64).draw.labels
    assert labels is not None
    plain = labelled / labels.numpy() ** 2
    assert plain.max() < 0.01 * (math.pi * 6) ** 2
    assert plain.mean() == pytest.approx(still.mean(), rel=0.3)


def test_a_path_does_not_depend_on_its_batch(tmp_path: Path) -> None:
    game = PathGame(Linear(0.1, noisy=True))
    view = PathSteps(Pixels(), "z", "full", 1e-2, crop=False)
    alone = view.rows(exam_of(game, SOURCE, tmp_path).subject.batch(3, 5))
    np.testing.assert_allclose(alone[:, 0], steps(game, tmp_path, 64)[3:8], rtol=1e-3)
    one, two = ends(game, tmp_path, 64)
    assert abs(float((one * two).sum(1).mean())) < 1.5, (
        "the ends of a path are independent: 0, give or take sqrt(6 / 64)"
    )


def test_the_least_and_the_greatest_percent_are_left_out(tmp_path: Path) -> None:
    exam = exam_of(PathGame(Linear()), SOURCE, tmp_path)
    found = measured(PerceptualPathLength(features=Pixels(), samples=300, epsilon=1e-2), exam)
    rows = np.sort(steps(PathGame(Linear()), tmp_path, 300))
    # numpy's "lower" of 1 % of 300 and "higher" of 99 %: places 2 and 297, counted from 0
    assert found.values["path-length-zfull-pixels"] == pytest.approx(rows[2:298].mean(), rel=1e-6)
    assert {"space": "z", "path": "full", "epsilon": 1e-2, "discard": 1.0, "fake": 300}.items() <= found.receipt.items()
    assert "10,000" in str(found.receipt["warning"])


def test_the_crop_is_the_middle_of_the_image(tmp_path: Path) -> None:
    class Placed(Linear):
        """As latents change, only pixels outside the crop do."""

        def forward(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
            images = super().forward(latents, labels).repeat_interleave(4, 2).repeat_interleave(4, 3)
            images[:, :, 6:14, 4:12] = 0
            return images

    source = ArraySource(noise(4, 3, 16, 16))
    for crop, alone in ((True, True), (False, False)):
        metric = PerceptualPathLength(features=Pixels(), crop=crop, samples=10, epsilon=1e-2)
        found = measured(metric, exam_of(PathGame(Placed()), source, tmp_path))
        assert (found.values["path-length-zfull-pixels"] == 0) == alone


def test_arcs_keep_their_ends_and_halves() -> None:
    one, two = torch.tensor([[3.0, 0.0]]), torch.tensor([[0.0, 5.0]])
    half = torch.tensor([[0.5]])
    torch.testing.assert_close(slerp(one, two, 0 * half), one)
    torch.testing.assert_close(slerp(one, two, 2 * half), two)
    torch.testing.assert_close(slerp(one, two, half), torch.full((1, 2), 4 / math.sqrt(2)))
    torch.testing.assert_close(slerp(one, one, half), one)


class Colours(Features):
    """Mean colours of rounded images."""

    kind: Literal["mean-colours"] = "mean-colours"

    def build(self) -> FeatureNetwork:
        return MeanColours()


def test_what_cannot_be_measured_is_said(tmp_path: Path) -> None:
    def found(game: DiceGame, **fields: object) -> None:
        measured(
            PerceptualPathLength.model_validate({"features": Pixels(), "samples": 4, **fields}),
            exam_of(game, SOURCE, tmp_path),
        )

    with pytest.raises(GanforgeError, match="needs a generator with styles"):
        found(PathGame(Linear()), space="w")
    with pytest.raises(GanforgeError, match="categorical codes"):
        found(PathGame(Linear(), codes=True))
    with pytest.raises(GanforgeError, match="rounded images"):
        found(PathGame(Linear()), features=Colours())
    with pytest.raises(GanforgeError, match="does not tell which generator"):
        found(DiceGame((3, R, R)))
    with pytest.raises(DataError, match="1 or 3 channels"):
        PerceptualPathLength(features=Pixels()).requests(ArraySource(noise(2, 2, 4, 4)))


def test_only_lpips_makes_a_ppl() -> None:
    assert set(PerceptualPathLength(features=Lpips(), space="w", path="end").directions()) == {"ppl-wend"}
    assert set(PerceptualPathLength(features=Pixels()).directions()) == {"path-length-zfull-pixels"}
