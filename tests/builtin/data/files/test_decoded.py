"""The cache of decoded images: made once, shared, found again, made again when it is torn."""

from __future__ import annotations

import binascii
import gzip
import io
import json
import multiprocessing
import os
import pickle
import threading
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.images import folder_of, noise_png, png, zip_of

from ganforge.builtin.data.files import archive, decoded_cache, folder, index
from ganforge.builtin.data.files import decoded as decoding
from ganforge.builtin.data.files.image_files import ImageFiles, UnreadableFileError
from ganforge.builtin.data.images import Images
from ganforge.builtin.data.sources.pixels import PixelSource
from ganforge.decoding.decoders import DecoderProcess
from ganforge.errors import DataError

FILES = {f"{i:02}.png": noise_png(i) for i in range(40)}


def whole(source: PixelSource) -> torch.Tensor:
    return source.batch(np.arange(len(source)))["image"]


def refuse(*_: object) -> None:
    raise AssertionError("decoded again")


def only_cache(folder: Path, suffix: str = ".npy") -> Path:
    (found,) = folder.glob("images-*" + suffix)
    return found


@pytest.fixture
def recipe(tmp_path: Path) -> Images:
    return Images(path=str(zip_of(tmp_path / "x.zip", FILES)), resolution=16)


def test_a_second_opening_decodes_nothing(recipe: Images, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = recipe.open(tmp_path / "cache")
    monkeypatch.setattr(DecoderProcess, "decode", refuse)
    monkeypatch.setattr(DecoderProcess, "read_header", refuse)
    again = recipe.open(tmp_path / "cache")
    assert again.fingerprint == first.fingerprint
    assert torch.equal(whole(again), whole(first))
    mirrored = recipe.model_copy(update={"mirror": True}).open(tmp_path / "cache")  # the same pixels
    assert torch.equal(whole(mirrored)[:40], whole(first))


def open_at_once(recipe: Images, cache: Path, start: Any, answers: Any) -> None:
    made: list[int] = []
    inner = decoding.ImageDecoding._write
    decoding.ImageDecoding._write = lambda *asked: (
        made.append(1),
        time.sleep(0.2),
        inner(*asked),
    )  # this process alone is changed
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
    for suffix in (".npy", ".json.gz"):
        assert (
            only_cache(tmp_path / "cache", suffix).read_bytes() == only_cache(tmp_path / "other", suffix).read_bytes()
        )


def indexed(data: bytes, **changes: object) -> bytes:
    """An index with other content, whole in itself: nobody but an attacker writes that."""
    return gzip.compress(json.dumps(json.loads(gzip.decompress(data)) | changes).encode())


def headed(data: bytes, **changes: object) -> bytes:
    """A file of pixels with another header."""
    stream = io.BytesIO()
    header = {"descr": "|u1", "fortran_order": False, "shape": (40, 16, 16, 3)}
    np.lib.format.write_array_header_1_0(stream, header | changes)
    return stream.getvalue() + data[-SIZE:]


SIZE = 40 * 16 * 16 * 3
BAD = [1, "x", False]
DAMAGED_PIXELS: dict[str, Callable[[bytes], bytes]] = {
    "cut": lambda data: data[: len(data) // 2],
    "empty": lambda data: b"",
    "foreign": lambda data: b"\x89PNG" * 5000,
    "a zip": lambda data: b"PK\x03\x04" * 5000,
    "longer": lambda data: b"x" + data,
    "a flipped pixel": lambda data: data[:-1] + bytes([data[-1] ^ 1]),
    "other sides": lambda data: headed(data, shape=(40, 8, 32, 3)),
    "negative sides": lambda data: headed(data, shape=(40, -16, -16, 3)),
    "other channels": lambda data: headed(data, shape=(40, 16, 16, 5)),
    "huge sides": lambda data: headed(data, shape=(40, 2**62, 2**62, 3)),
    "enormous sides": lambda data: headed(data, shape=(2**70,)),
    "no sides": lambda data: headed(data, shape=()),
    "fewer": lambda data: headed(data, shape=(39, 16, 16, 3)),
    "columns first": lambda data: headed(data, fortran_order=True),
    "signed": lambda data: headed(data, descr="|i1"),
    "objects": lambda data: headed(data, descr="|O"),
    "endless header": lambda data: data[:8] + b"\xff\xff" + data[10:],
    "deep header": lambda data: data[:10] + b"[" * 118 + data[128:],
    "pickle": lambda data: pickle.dumps(Payload()) * 99,
}
DAMAGED_INDEX: dict[str, Callable[[bytes], bytes]] = {
    "cut": lambda data: data[: len(data) // 2],
    "empty": lambda data: b"",
    "foreign": lambda data: b"\x89PNG" * 5000,
    "a flipped bit": lambda data: data[:50] + bytes([data[50] ^ 1]) + data[51:],
    "longer": lambda data: data + b"x",
    "nonsense": lambda data: gzip.compress(b"{]"),
    "a bomb": lambda data: gzip.compress(b"1" * (2**20 + 1)),
    "a list": lambda data: gzip.compress(b"[]"),
    "nothing": lambda data: gzip.compress(b"{}"),
    "huge numbers": lambda data: indexed(data, bad=[[2**70, "x", False]]),
    "negative": lambda data: indexed(data, bad=[[-1, "x", False]]),
    "bad and there": lambda data: indexed(data, bad=[BAD]),
    "bad, and no checksum": lambda data: indexed(data, bad=[BAD], crcs=[0] * 39),
    "too few checksums": lambda data: indexed(data, crcs=[0] * 39),
    "other checksums": lambda data: indexed(data, crcs=[0] * 40),
    "checksums that are none": lambda data: indexed(data, crcs=["x"] * 40),
    "huge checksums": lambda data: indexed(data, crcs=[2**40] * 40),
    "a word": lambda data: indexed(data, bad="x"),
    "bad is a number": lambda data: indexed(data, bad=[7]),
    "deep": lambda data: gzip.compress(b"[" * 99_999),
    "pickle": lambda data: gzip.compress(pickle.dumps(Payload())),
}
DAMAGE = {
    **{f"pixels: {name}": (".npy", damage) for name, damage in DAMAGED_PIXELS.items()},
    **{f"index: {name}": (".json.gz", damage) for name, damage in DAMAGED_INDEX.items()},
}


class Payload:
    def __reduce__(self) -> tuple[Any, ...]:
        return (refuse, ())


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_torn_or_foreign_cache_is_made_again(
    recipe: Images, tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index, "MAX_INDEX_BYTES", 2**20)
    expected = whole(recipe.open(tmp_path / "cache")).clone()
    suffix, damaged = DAMAGE[damage]
    file = only_cache(tmp_path / "cache", suffix)
    data = file.read_bytes()
    file.unlink()  # the old map stays whole
    file.write_bytes(damaged(data))
    assert not caplog.text
    assert torch.equal(whole(recipe.open(tmp_path / "cache")), expected)
    assert file.read_bytes() == data
    assert caplog.text.count("they are made again") in (1, 2)  # said, by whoever looks before and in the lock


@pytest.mark.parametrize("suffix", [".npy", ".json.gz"])
def test_half_a_cache_is_none(recipe: Images, tmp_path: Path, suffix: str, caplog: pytest.LogCaptureFixture) -> None:
    """A process may be killed between the two moves."""
    expected = whole(recipe.open(tmp_path / "cache")).clone()
    only_cache(tmp_path / "cache", suffix).unlink()
    assert torch.equal(whole(recipe.open(tmp_path / "cache")), expected)
    assert not caplog.text


def test_the_pixels_are_a_file_that_numpy_reads(tmp_path: Path) -> None:
    """As many as could be decoded, in the order of their names."""
    path = zip_of(tmp_path / "x.zip", {f"{i:02}.png": png(i, 16) for i in range(11)} | {"03.png": b"no image"})
    Images(path=str(path), resolution=16, bad_share=1).open(tmp_path / "cache")
    pixels = np.load(only_cache(tmp_path / "cache"), mmap_mode="r", allow_pickle=False)
    assert (pixels.shape, pixels.dtype) == ((10, 16, 16, 1), np.uint8)
    assert pixels.mean((1, 2, 3)).tolist() == [0, 1, 2, 4, 5, 6, 7, 8, 9, 10]
    found = json.loads(gzip.decompress(only_cache(tmp_path / "cache", ".json.gz").read_bytes()))
    assert found == {
        "crcs": [zlib.crc32(bytes([i] * 256)) for i in (0, 1, 2, 4, 5, 6, 7, 8, 9, 10)],
        "bad": [[3, "not an image, or its head is damaged", False]],
    }


def test_words_in_a_cache_are_printed_safely(tmp_path: Path) -> None:
    recipe = Images(path=str(zip_of(tmp_path / "x.zip", {"a.png": png(), "b.png": b""})), resolution=16)
    with pytest.raises(DataError, match=r"b\.png \(an empty file\)"):
        recipe.open(tmp_path / "cache")
    file = only_cache(tmp_path / "cache", ".json.gz")
    file.write_bytes(indexed(file.read_bytes(), bad=[[1, "\x1b]0;title\x07\nand more", False]]))
    with pytest.raises(DataError, match="title") as refused:
        recipe.open(tmp_path / "cache")
    assert str(refused.value).isprintable()


def test_damage_in_a_large_cache_is_found_when_the_image_is_used(
    recipe: Images, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoded_cache, "AT_ONCE", 0)
    expected = whole(recipe.open(tmp_path / "cache")).clone()
    file = only_cache(tmp_path / "cache")
    data = bytearray(file.read_bytes())
    size, header = 16 * 16 * 3, len(data) - SIZE
    for byte in (header + 7 * size, header + 8 * size - 1):  # the first and the last of image 7
        file.unlink(missing_ok=True)
        file.write_bytes(data[:byte] + bytes([data[byte] ^ 16]) + data[byte + 1 :])
        source = recipe.open(tmp_path / "cache")
        others = np.setdiff1d(np.arange(40), [7])
        assert torch.equal(source.batch(others)["image"], expected[others])
        with pytest.raises(DataError, match=r"image 7 in it is not what was decoded; it was removed; start again"):
            source.batch(np.array([3, 7]))
        assert torch.equal(whole(recipe.open(tmp_path / "cache")), expected)  # made anew


def test_each_image_is_checked_once(recipe: Images, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = recipe.open(tmp_path / "cache")
    monkeypatch.setattr(decoded_cache, "AT_ONCE", 0)
    lazy, counted = recipe.open(tmp_path / "cache"), []
    monkeypatch.setattr(zlib, "crc32", lambda data: counted.append(1) or binascii.crc32(data))
    for _ in range(2):
        assert torch.equal(whole(lazy), whole(source))
    assert len(counted) == 40


@pytest.mark.parametrize("packed_as", ["folder", "zip"])
def test_an_image_that_could_not_be_read_comes_back(tmp_path: Path, packed_as: str) -> None:
    path = folder_of(tmp_path / "x", FILES) if packed_as == "folder" else zip_of(tmp_path / "x.zip", FILES)
    recipe = Images(path=str(path), resolution=16, bad_share=1)
    good = recipe.open(tmp_path / "other")
    files_type = folder.ImageFolder if packed_as == "folder" else archive.ImageArchive
    inner, tries = files_type.read, []

    def failing(self: ImageFiles, name: str, limit: int = 2**20) -> bytes:
        tries.append(name)
        if name == "07.png" and tries.count(name) > (packed_as == "folder"):  # a folder is read to be listed first
            raise UnreadableFileError("Input/output error")
        return inner(self, name, limit)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files_type, "read", failing)
        worse = recipe.open(tmp_path / "cache")
    assert "1 of 40 images cannot be used and are left out: 07.png (Input/output error)" in worse.notices[0]
    assert (len(worse), worse.skipped) == (39, 1)
    better = recipe.open(tmp_path / "cache")
    assert (len(better), better.notices, better.fingerprint) == (40, (), good.fingerprint)
    assert worse.fingerprint != good.fingerprint


def test_an_image_that_comes_back_at_once_does_no_harm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is left out where it could not be read when it was decoded, and there the next time."""
    recipe = Images(path=str(zip_of(tmp_path / "x.zip", FILES)), resolution=16, bad_share=1)
    inner, tries = archive.ImageArchive.read, []

    def failing_once(self: ImageFiles, name: str, limit: int = 2**20) -> bytes:
        tries.append(name)
        if name == "07.png" and tries.count(name) == 1:
            raise UnreadableFileError("Input/output error")
        return inner(self, name, limit)  # type: ignore[arg-type]

    monkeypatch.setattr(archive.ImageArchive, "read", failing_once)
    assert len(recipe.open(tmp_path / "cache")) == 39
    assert len(recipe.open(tmp_path / "cache")) == 40


def test_an_image_that_changes_while_it_is_opened_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = folder_of(tmp_path / "x", FILES)
    inner, tries = folder.ImageFolder.read, []

    def changing(self: folder.ImageFolder, name: str, limit: int = 2**20) -> bytes:
        tries.append(name)
        return inner(self, name, limit) if tries.count("05.png") < 2 or name != "05.png" else png(9, 16)

    monkeypatch.setattr(folder.ImageFolder, "read", changing)
    with pytest.raises(DataError, match=r"05\.png \(it changed while the data were opened\)"):
        Images(path=str(path), resolution=16).open(tmp_path / "cache")


def hold(file: Path, held: Any, release: Any) -> None:
    with decoding._locked(file):
        held.set()
        release.wait(30)


def test_a_wait_for_a_process_that_hangs_is_said_and_its_death_ends_it(
    recipe: Images, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(decoding, "PATIENCE", 0.1)
    recipe.open(tmp_path / "cache")
    file = only_cache(tmp_path / "cache")
    file.unlink()
    forked = multiprocessing.get_context("fork")
    held, release = forked.Event(), forked.Event()
    holder = forked.Process(target=hold, args=(file.with_suffix(".lock"), held, release))
    holder.start()
    assert held.wait(30)
    threading.Timer(0.5, holder.kill).start()
    assert len(recipe.open(tmp_path / "cache")) == 40
    assert caplog.text.count("another process is decoding the same images; waiting for it to finish") == 1
    holder.join(30)


def test_an_interrupted_writer_leaves_nothing_that_is_believed(
    recipe: Images, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache, inner, seen = tmp_path / "cache", DecoderProcess.decode, []

    def die(*asked: Any) -> np.ndarray:
        seen.append(asked)
        if len(seen) > 20:
            raise KeyboardInterrupt  # nothing tidies up after it, as after a kill
        return inner(*asked)

    monkeypatch.setattr(DecoderProcess, "decode", die)
    with pytest.raises(KeyboardInterrupt):
        recipe.open(cache)
    monkeypatch.undo()
    assert not list(cache.glob("*.npy"))
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
