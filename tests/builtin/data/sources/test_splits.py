"""The part that is held out, and labels that stay known: fixed, disjoint, balanced."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from support.images import noise_png, zip_of

from ganforge.builtin.data.digits import Digits
from ganforge.builtin.data.images import Images
from ganforge.builtin.data.sources.splits import hide_labels, part_rows
from ganforge.errors import DataError


def everything(source) -> dict[str, torch.Tensor]:
    return source.batch(np.arange(len(source)))


def test_parts_are_disjoint_and_together_all():
    train, test = part_rows("train", 1797), part_rows("test", 1797)
    assert part_rows("all", 1797) is None
    assert len(test) == 359
    assert np.array_equal(np.sort(np.concatenate([train, test])), np.arange(1797))
    assert np.array_equal(part_rows("test", 1797), test)
    assert len(np.unique(np.diff(test))) > 5, "no regular step, which an order in the data could follow"


def test_digits_in_parts_are_the_digits(tmp_path: Path):
    whole, train, test = (Digits(labels=True, part=part).open(tmp_path) for part in ("all", "train", "test"))
    assert (len(train), len(test)) == (1438, 359)
    known = everything(whole)
    for source, part in ((train, "train"), (test, "test")):
        rows = part_rows(part, 1797)
        assert torch.equal(everything(source)["image"], known["image"][rows])
        assert torch.equal(everything(source)["label"], known["label"][rows])
    assert len({whole.fingerprint, train.fingerprint, test.fingerprint}) == 3
    assert np.bincount(everything(test)["label"]).min() > 20, "all digits are held out"


def test_few_labels_are_balanced_and_always_the_same(tmp_path: Path):
    recipe = Digits(labels=True, part="train", labelled=103)
    one, two, full = recipe.open(tmp_path), recipe.open(tmp_path), Digits(labels=True, part="train").open(tmp_path)
    label, truth = everything(one)["label"], everything(full)["label"]
    assert torch.equal(label, everything(two)["label"])
    known = label >= 0
    assert torch.equal(label[known], truth[known])
    assert set(label[~known].tolist()) == {-1}
    assert torch.bincount(label[known]).tolist() == [11, 11, 11, *[10] * 7]
    assert one.spec.labelled == pytest.approx(103 / 1438)
    assert full.spec.labelled == 1
    assert one.fingerprint != full.fingerprint
    assert torch.equal(everything(one)["image"], everything(full)["image"])


def test_mirrored_samples_share_a_label(tmp_path: Path):
    source = Digits(labels=True, part="test", labelled=20, mirror=True).open(tmp_path)
    label = everything(source)["label"]
    assert torch.equal(label[:359], label[359:])
    assert source.spec.labelled == pytest.approx(20 / 359)


def test_images_in_parts(tmp_path: Path):
    files = {f"{'ab'[index % 2]}/{index:02}.png": noise_png(index) for index in range(20)}
    path = str(zip_of(tmp_path / "x.zip", files))
    whole = Images(path=path, resolution=16, labels=True).open(tmp_path)
    train = Images(path=path, resolution=16, labels=True, part="train", labelled=6).open(tmp_path)
    rows = part_rows("train", 20)
    assert torch.equal(everything(train)["image"], everything(whole)["image"][rows])
    label = everything(train)["label"]
    assert torch.bincount(label[label >= 0]).tolist() == [3, 3]
    assert len(Images(path=path, resolution=16, part="test").open(tmp_path)) == 4


@pytest.mark.parametrize(
    ("known", "message"),
    [(2, "a class of 3 without any label"), (9, r"3 samples of each class, and there are 2 of class 1")],
)
def test_labels_that_cannot_be_kept(known: int, message: str):
    with pytest.raises(DataError, match=message):
        hide_labels(np.array([0, 0, 0, 1, 1, 2, 2, 2]), 3, known)


def test_a_part_needs_samples(tmp_path: Path):
    path = str(zip_of(tmp_path / "x.zip", {"a.png": noise_png(1)}))
    with pytest.raises(DataError, match='too few to have a part = "test"'):
        Images(path=path, resolution=16, part="test").open(tmp_path)


def test_labelled_needs_labels():
    with pytest.raises(ValidationError, match="labels = true"):
        Digits(labelled=100)
