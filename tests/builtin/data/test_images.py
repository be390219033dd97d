"""Images from folders and archives: what comes out, in which order, with which labels."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import ValidationError
from support.images import encoded, folder_of, noise_png, png, zip_of
from support.paths import SHARED_DATA

from ganforge.api.data import DataSpec
from ganforge.builtin.data.digits import Digits
from ganforge.builtin.data.images import Images
from ganforge.errors import DataError

FACES = SHARED_DATA / "faces_train.zip"
LABELLED = {"b/2.png": png(20), "a/1.png": png(10), "b/3.png": png(30)}


def test_images_come_in_the_order_of_their_names(tmp_path: Path) -> None:
    source = Images(path=str(folder_of(tmp_path / "x", LABELLED)), resolution=8).open(tmp_path)
    image = source.batch(np.arange(3))["image"]
    assert (image.shape, image.dtype, source.skipped) == ((3, 1, 8, 8), torch.uint8, 0)
    assert image[:, 0, 0, 0].tolist() == [10, 20, 30]
    assert source.spec == DataSpec((1, 8, 8))


def test_colour_batches_are_channels_last(tmp_path: Path) -> None:
    files = {f"{i}.png": noise_png(i) for i in range(3)}
    source = Images(path=str(zip_of(tmp_path / "x.zip", files)), resolution=16).open(tmp_path)
    image = source.batch(np.array([2, 0]))["image"]
    assert image.is_contiguous(memory_format=torch.channels_last)
    expected = np.random.default_rng(2).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    assert np.array_equal(image[0].permute(1, 2, 0).numpy(), expected)  # no resizing: the very bytes


def test_folder_and_archive_of_the_same_files_are_the_same_data(tmp_path: Path) -> None:
    folder = Images(path=str(folder_of(tmp_path / "x", LABELLED)), labels=True).open(tmp_path)
    archive = Images(path=str(zip_of(tmp_path / "x.zip", LABELLED)), labels=True).open(tmp_path)
    assert folder.fingerprint == archive.fingerprint
    assert torch.equal(folder.batch(np.arange(3))["image"], archive.batch(np.arange(3))["image"])


def test_labels_from_sub_folders(tmp_path: Path) -> None:
    for top in ("", "all/of/them/"):  # a common top is no class
        files = {top + name: data for name, data in LABELLED.items()}
        source = Images(path=str(zip_of(tmp_path / "x.zip", files)), labels=True).open(tmp_path)
        assert (source.spec.classes, source.spec.class_names) == (2, ("a", "b"))
        label = source.batch(np.array([2, 0]))["label"]
        assert (label.tolist(), label.dtype) == ([1, 0], torch.int64)


def test_labels_from_dataset_json_go_before_sub_folders(tmp_path: Path) -> None:
    rows = [["a\\1.png", 4], ["b/2.png", 0], ["b/3.png", 2], ["gone.png", 5]]
    files = {**LABELLED, "dataset.json": json.dumps({"labels": rows}).encode()}
    source = Images(path=str(zip_of(tmp_path / "x.zip", files)), labels=True).open(tmp_path)
    assert (source.spec.classes, source.spec.class_names) == (6, ())
    assert source.batch(np.arange(3))["label"].tolist() == [4, 0, 2]


def test_mirroring_doubles_the_data_and_keeps_labels(tmp_path: Path) -> None:
    files = {"a/0.png": noise_png(0), "b/1.png": noise_png(1)}
    source = Images(path=str(zip_of(tmp_path / "x.zip", files)), resolution=16, mirror=True, labels=True).open(tmp_path)
    assert len(source) == 4
    batch = source.batch(np.array([0, 3, 2, 1]))
    assert torch.equal(batch["image"][2], batch["image"][0].flip(2))
    assert torch.equal(batch["image"][1], batch["image"][3].flip(2))
    assert not torch.equal(batch["image"][2], batch["image"][0])
    assert batch["label"].tolist() == [0, 1, 0, 1]
    with pytest.raises(IndexError):
        source.batch(np.array([4]))


def one_image(tmp_path: Path, pixels: np.ndarray, resolution: int) -> np.ndarray:
    path = zip_of(tmp_path / "x.zip", {"1.png": encoded(Image.fromarray(pixels))})
    return Images(path=str(path), resolution=resolution).open(tmp_path).batch(np.arange(1))["image"][0, 0].numpy()


def test_the_central_square_is_kept(tmp_path: Path) -> None:
    wide = np.full((16, 40), 255, np.uint8)
    wide[:, 12:28] = 100  # the central square: nothing beside it may leak in
    assert (one_image(tmp_path, wide, 4) == 100).all()
    assert (one_image(tmp_path, wide.T.copy(), 32) == 100).all()


def test_reducing_averages(tmp_path: Path) -> None:
    stripes = np.zeros((32, 32), np.uint8)
    stripes[:, ::2] = 200  # to take every eighth pixel would give 0 or 200
    assert np.abs(one_image(tmp_path, stripes, 4).astype(float)[:, 1:3] - 100).max() <= 10


def test_limit_keeps_the_shares_of_the_classes(tmp_path: Path) -> None:
    files = {f"{c}/{i}.png": png(i) for c, n in (("a", 8), ("b", 4)) for i in range(n)}
    source = Images(path=str(zip_of(tmp_path / "x.zip", files)), labels=True, limit=6).open(tmp_path)
    assert source.batch(np.arange(6))["label"].tolist() == [0, 0, 0, 0, 1, 1]
    assert len(source) == 6


@pytest.mark.parametrize(
    ("first", "channels"), [(png(9), 1), (png((9, 8, 7), mode="RGB"), 3), (png((9, 8, 7, 6), mode="RGBA"), 3)]
)
def test_auto_channels_are_those_of_the_first_image(tmp_path: Path, first: bytes, channels: int) -> None:
    files = {"0.png": first, "1.png": png(50), "2.png": png((1, 2, 3), mode="RGB")}
    source = Images(path=str(zip_of(tmp_path / "x.zip", files))).open(tmp_path)
    assert source.spec.channels == channels


def test_settings_and_content_change_the_fingerprint(tmp_path: Path) -> None:
    path = folder_of(tmp_path / "x", LABELLED)
    ways = [{}, {"resolution": 16}, {"mirror": True}, {"labels": True}, {"channels": 3}, {"limit": 2}]
    prints = [Images(path=str(path), **way).open(tmp_path).fingerprint for way in ways]
    assert len(set(prints)) == len(prints)
    assert Images(path=str(path)).open(tmp_path).fingerprint == prints[0]
    (path / "a/1.png").write_bytes(png(11))  # the same size, perhaps within the same tick of the clock
    changed = Images(path=str(path), resolution=8).open(tmp_path)
    assert changed.fingerprint not in prints
    assert changed.batch(np.array([0]))["image"].unique().tolist() == [11]


@pytest.mark.parametrize("wrong", [{"resolution": 3}, {"channels": 2}, {"path": ""}, {"limit": 0}, {"bad_share": 1.5}])
def test_fields_have_bounds(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Images.model_validate({"path": "x", **wrong})


@pytest.mark.skipif(not FACES.is_file(), reason="the real faces are not on this machine")
def test_the_real_faces(tmp_path: Path) -> None:
    recipe = Images(path=str(FACES), resolution=32, labels=True)
    source = recipe.open(tmp_path)
    assert (len(source), source.spec) == (11_665, DataSpec((1, 32, 32), 2, ("neutral", "smiling")))
    labels = source.batch(np.arange(len(source)))["label"]
    assert labels.bincount().tolist() == [8375, 3290]


def test_sizes_are_those_of_the_headers(tmp_path: Path) -> None:
    """As they are stored, whatever the recipe asks for; data that are drawn at any size have none."""
    files = {"1.png": png(1, 8), "2.png": png(2, 9), "3.png": encoded(Image.new("L", (12, 5))), "4.png": png(4, 9)}
    for path in (folder_of(tmp_path / "x", files), zip_of(tmp_path / "x.zip", {**files, "bad.png": b"no image"})):
        assert Images(path=str(path), resolution=64).image_sizes(tmp_path / "cache") == {
            (8, 8): 1,
            (9, 9): 2,
            (12, 5): 1,
        }
    assert Digits().image_sizes(tmp_path / "cache") is None
    with pytest.raises(DataError, match="there is no"):
        Images(path=str(tmp_path / "nothing")).image_sizes(tmp_path / "cache")


def test_missing_labels_are_said(tmp_path: Path) -> None:
    path = zip_of(tmp_path / "x.zip", {"1.png": png()})
    with pytest.raises(DataError, match=r"labels = true, but .* neither sub-folders .* nor dataset.json"):
        Images(path=str(path), labels=True).open(tmp_path)
