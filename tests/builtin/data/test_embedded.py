"""Embedded sets and mixtures with known modes, how they show themselves, and uint8 to and from floats."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import stats
from sklearn.datasets import load_digits

from ganforge.api.data import KnownModes, to_float, to_uint8
from ganforge.api.pictures import GUTTER, picture_grid
from ganforge.builtin.data.digits import Digits
from ganforge.builtin.data.faces import Faces
from ganforge.builtin.data.gaussians import Grid, Ring
from ganforge.builtin.data.images import Images
from ganforge.builtin.data.sources.scatter import OUTSIDE_COLOUR, POINT_COLOUR


def everything(source: object) -> dict[str, torch.Tensor]:
    return source.batch(np.arange(len(source)))  # type: ignore[attr-defined, arg-type, no-any-return]


def test_levels_survive_the_way_to_floats_and_back() -> None:
    levels = torch.arange(256, dtype=torch.uint8)
    assert torch.equal(to_uint8(to_float(levels)), levels)
    assert (to_float(levels)[0], to_float(levels)[255]) == (-1.0, 1.0)
    assert to_uint8(torch.tensor([-7.0, 7.0, 0.001])).tolist() == [0, 255, 128]
    points = torch.randn(3, 2)
    assert to_float(points) is points
    half = torch.linspace(-1, 1, 256, requires_grad=True)
    assert torch.equal(to_uint8(half), levels)
    assert half[0] == -1  # untouched


def test_faces_are_one_hundred_faces(tmp_path: Path) -> None:
    source = Faces(mirror=True).open(tmp_path)
    image = everything(source)["image"]
    assert (len(source), image.shape, image.dtype) == (200, (200, 1, 32, 32), torch.uint8)
    assert torch.equal(image[100:], image[:100].flip(3))
    assert image[:100].float().flatten(1).std(1).min() > 15  # the subset's other hundred hold flat patches
    assert Faces(channels=3, resolution=8).open(tmp_path).spec.shape == (3, 8, 8)


def test_faces_of_their_own_size_are_the_originals(tmp_path: Path) -> None:
    from skimage.data import lfw_subset

    image = everything(Faces(resolution=25).open(tmp_path))["image"][:, 0].numpy()
    assert np.array_equal(image, np.round(lfw_subset()[:100].astype(np.float32) * 255))


def test_digits_are_scikit_learns(tmp_path: Path) -> None:
    source = Digits(labels=True).open(tmp_path)
    batch, known = everything(source), load_digits()
    assert source.spec.shape == (1, 8, 8)
    assert source.spec.class_names == tuple("0123456789")
    assert np.abs(batch["image"][:, 0].double().numpy() * 16 / 255 - known.images).max() < 0.04
    assert batch["label"].tolist() == known.target.tolist()
    assert "label" not in everything(Digits(resolution=32).open(tmp_path))


def test_recipes_can_change_the_kind_of_images_alone() -> None:
    fields = {"resolution": 32, "mirror": True}
    for kind, more in ((Faces, {}), (Digits, {}), (Images, {"path": "x.zip"})):
        assert kind.model_validate({**fields, **more}).resolution == 32


@pytest.mark.parametrize(("recipe", "count"), [(Ring(labels=True), 8), (Grid(labels=True), 25)])
def test_gaussians_have_the_modes_they_state(tmp_path: Path, recipe: Ring | Grid, count: int) -> None:
    source = recipe.open(tmp_path)
    assert isinstance(source, KnownModes)
    assert source.modes.shape == (count, 2)
    batch = everything(source)
    points, label = batch["image"].numpy(), batch["label"].numpy()
    assert (points.dtype, source.spec.shape, source.spec.classes) == (np.float32, (2,), count)
    assert np.bincount(label).tolist() == [10_000 // count] * count
    rest = (points - source.modes[label]) / source.std  # standard normal, if mean and std are true
    assert stats.kstest(rest.ravel(), "norm").pvalue > 1e-3
    assert abs(np.corrcoef(rest.T)[0, 1]) < 0.04  # round: four standard errors
    assert np.array_equal(recipe.open(tmp_path).points, source.points)


def test_modes_lie_where_the_papers_put_them() -> None:
    ring = Ring().centres()
    assert np.allclose(np.hypot(*ring.T), 2.0)
    assert np.allclose(np.diff(np.unwrap(np.arctan2(ring[:, 1], ring[:, 0]))), np.pi / 4)
    assert sorted(map(tuple, Grid().centres())) == [(x, y) for x in (-4, -2, 0, 2, 4) for y in (-4, -2, 0, 2, 4)]


def test_settings_of_gaussians_change_the_fingerprint(tmp_path: Path) -> None:
    ways = [Ring(), Ring(std=0.03), Ring(labels=True), Ring(modes=7), Ring(samples=9_999), Grid()]
    assert len({way.open(tmp_path).fingerprint for way in ways}) == len(ways)


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (3, "RGB"), (4, "RGBA")])
def test_grids_show_images_row_by_row(channels: int, mode: str) -> None:
    samples = torch.linspace(-1, 1, 7).view(7, 1, 1, 1).expand(7, channels, 32, 32)
    picture = picture_grid(samples)
    assert picture.mode == mode
    assert picture.width >= 512
    step = 32 * 6 + GUTTER  # 3 columns of 32 pixels: six times as large
    assert picture.size == (3 * step - GUTTER, 3 * step - GUTTER)
    shown = np.asarray(picture).reshape(picture.height, picture.width, channels)
    seen = [int(shown[row * step + 9, column * step + 9, 0]) for row in range(3) for column in range(3)]
    assert seen == [*to_uint8(torch.linspace(-1, 1, 7)).tolist(), 0, 0]


def test_grids_stand_whatever_a_failing_network_makes() -> None:
    samples = torch.tensor([float("nan"), float("inf"), -float("inf"), 3.0]).view(4, 1, 1, 1).expand(4, 1, 300, 300)
    shown = np.asarray(picture_grid(samples))
    assert shown.shape == (602, 602)  # large images are not enlarged
    assert [shown[0, 0], shown[0, -1], shown[-1, 0], shown[-1, -1]] == [128, 255, 0, 255]


def test_scatter_plots_have_equal_axes_and_y_upwards(tmp_path: Path) -> None:
    source = Ring().open(tmp_path)
    points = torch.tensor([[0.0, 1.0], [-1.0, 0.0], [50.0, 0.0], [float("nan"), 0.0]])
    picture = source.show(points)
    shown = np.asarray(picture.convert("RGB")).astype(int)
    blue = np.argwhere((np.abs(shown - POINT_COLOUR) < 40).all(2)) - 255.5  # row, column from the centre
    red = np.argwhere((np.abs(shown - OUTSIDE_COLOUR) < 40).all(2))
    unit = 255.5 / (1.25 * 2.06)
    up, left = blue[np.abs(blue[:, 1]) < 20].mean(0), blue[np.abs(blue[:, 0]) < 20].mean(0)
    assert np.allclose(up, [-unit, 0], atol=1.5)
    assert np.allclose(left, [0, -unit], atol=1.5)
    assert (red[:, 1] > 505).all()  # beyond the view: on its edge
    assert len(red) > 0
    assert isinstance(source.show(points[:0]), Image.Image)
