"""The cache of decoded images: made once, shared, found again, made again when it is torn."""

from __future__ import annotations

import multiprocessing
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support_images import folder_of, noise_png, png, zip_of

from ganforge.builtin.data import packed as packing
from ganforge.builtin.data.images import Images
from ganforge.builtin.data.pixels import PixelSource
from ganforge.builtin.data.stamps import FRESH, Stamps
from ganforge.errors import DataError

FILES = {f"{i:02}.png": noise_png(i) for i in range(40)}


def whole(source: PixelSource) -> torch.Tensor:
    return source.batch(np.arange(len(source)))["image"]


def refuse(*_: object) -> None:
    raise AssertionError("decoded again")


def only_cache(folder: Path) -> Path:
    (found,) = folder.glob("*.pixels")
    return found


@pytest.fixture
def recipe(tmp_path: Path) -> Images:
    return Images(path=str(zip_of(tmp_path / "x.zip", FILES)), resolution=16)


def test_a_second_opening_decodes_nothing(recipe: Images, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = recipe.open(tmp_path / "cache")
    monkeypatch.setattr(packing, "decode", refuse)
    monkeypatch.setattr(packing, "natural_channels", refuse)
    again = recipe.open(tmp_path / "cache")
    assert again.fingerprint == first.fingerprint
    assert torch.equal(whole(again), whole(first))
    mirrored = recipe.model_copy(update={"mirror": True}).open(tmp_path / "cache")  # the same pixels
    assert torch.equal(whole(mirrored)[:40], whole(first))


def open_at_once(recipe: Images, cache: Path, start: Any, answers: Any) -> None:
    made: list[int] = []
    inner = packing._write
    packing._write = lambda *asked: (made.append(1), time.sleep(0.2), inner(*asked))  # this process alone is changed
    start.wait(30)
    source = recipe.open(cache)
    answers.put((len(made), source.fingerprint, int(source.pixels.sum())))


def test_two_processes_at_once_make_one_cache(recipe: Images, tmp_path: Path) -> None:
    """They are forked: to import torch would take each of them seconds."""
    forked = multiprocessing.get_context("fork")
    start, answers = forked.Barrier(2), forked.Queue()
    workers = [forked.Process(target=open_at_once, args=(recipe, tmp_path / "cache", start, answers)) for _ in "ab"]
    for worker in workers:
        worker.start()
    found = [answers.get(timeout=60) for _ in workers]
    for worker in workers:
        worker.join(30)
    assert sorted(made for made, *_ in found) == [0, 1]  # one made it, the other waited
    alone = recipe.open(tmp_path / "other")
    assert [rest for _, *rest in found] == [[alone.fingerprint, int(alone.pixels.sum())]] * 2
    assert only_cache(tmp_path / "cache").read_bytes() == only_cache(tmp_path / "other").read_bytes()


@pytest.mark.parametrize("damage", ["cut", "empty", "foreign", "longer", "tail", "nonsense"])
def test_a_torn_or_foreign_cache_is_made_again(recipe: Images, tmp_path: Path, damage: str) -> None:
    expected = whole(recipe.open(tmp_path / "cache")).clone()
    file = only_cache(tmp_path / "cache")
    data = file.read_bytes()
    tail = len(packing.MAGIC) + 8
    file.unlink()  # the old map stays whole
    file.write_bytes(
        {
            "cut": data[: len(data) // 2],
            "empty": b"",
            "foreign": b"\x89PNG" * 5000,
            "longer": b"x" + data,
            "tail": data[:-tail] + (2**60).to_bytes(8, "little") + packing.MAGIC,
            "nonsense": b"{]" + (2).to_bytes(8, "little") + packing.MAGIC,
        }[damage]
    )
    assert torch.equal(whole(recipe.open(tmp_path / "cache")), expected)
    assert file.read_bytes() == data


def test_an_interrupted_writer_leaves_nothing_that_is_believed(
    recipe: Images, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache, inner, seen = tmp_path / "cache", packing.decode, []

    def die(*asked: object) -> np.ndarray:
        seen.append(asked)
        if len(seen) > 20:
            raise KeyboardInterrupt  # nothing tidies up after it, as after a kill
        return inner(*asked)

    monkeypatch.setattr(packing, "decode", die)
    with pytest.raises(KeyboardInterrupt):
        recipe.open(cache)
    monkeypatch.undo()
    assert not list(cache.glob("*.pixels"))
    assert list(cache.glob("*.tmp"))
    assert len(recipe.open(cache)) == 40
    assert not list(cache.glob("*.tmp"))


def test_a_cache_that_cannot_be_written_is_said(recipe: Images, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DataError, match=r"its cache in .*file"):
        recipe.open(tmp_path / "file" / "cache")


def test_a_full_disk_is_said(recipe: Images, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DataError, match=r"No space left on device; up to 0 MiB are needed; make room"):
        recipe.open(tmp_path / "cache")


def test_an_unchanged_folder_is_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = folder_of(tmp_path / "x", {"1.png": png(1), "2.png": png(2)})
    (tmp_path / "cache").mkdir()
    later = time.time() + 2 * FRESH
    monkeypatch.setattr(time, "time", lambda: later)
    recipe = Images(path=str(path), resolution=8)
    first = recipe.open(tmp_path / "cache")
    (stamps,) = (tmp_path / "cache").glob("stamps-*.json")
    monkeypatch.setattr("ganforge.builtin.data.folder.FolderShelf.read", refuse)
    assert recipe.open(tmp_path / "cache").fingerprint == first.fingerprint
    monkeypatch.undo()
    for damaged in ("{", "[1]", '{"1.png": [1]}', '{"1.png": "x"}'):
        stamps.write_text(damaged)
        assert recipe.open(tmp_path / "cache").fingerprint == first.fingerprint


def test_files_changed_just_now_are_not_trusted(tmp_path: Path) -> None:
    file = tmp_path / "1.png"
    file.write_bytes(png())
    stamps = Stamps(tmp_path, tmp_path)
    stamps.note("1.png", file.stat(), 7)
    assert stamps.new == {}
    stamps.began += 2 * FRESH
    stamps.note("1.png", file.stat(), 7)
    assert stamps.new["1.png"][4] == 7
