"""The cache of decoded images: made once, shared, found again, made again when it is torn."""

from __future__ import annotations

import binascii
import json
import multiprocessing
import os
import pickle
import threading
import time
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.images import folder_of, noise_png, png, zip_of

from ganforge.builtin.data import archive, folder, listing, packfile
from ganforge.builtin.data import packed as packing
from ganforge.builtin.data.images import Images
from ganforge.builtin.data.pixels import PixelSource
from ganforge.builtin.data.shelf import Shelf, Unread
from ganforge.builtin.data.stamps import FRESH, Stamps
from ganforge.decoding.decoders import Decoder
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
    monkeypatch.setattr(Decoder, "decode", refuse)
    monkeypatch.setattr(Decoder, "head", refuse)
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


def rewritten(data: bytes, count: int = 40, **changes: object) -> bytes:
    """The file `data` with another tail, whose own checksum is right: nobody but an attacker writes that."""
    words = int.from_bytes(data[-packfile.END :][:8], "little")
    sums = data[-packfile.END - words - 4 * count : -packfile.END - words]
    tail = json.loads(data[-packfile.END - words : -packfile.END]) | changes
    text = sums + json.dumps(tail).encode()
    end = (len(text) - len(sums)).to_bytes(8, "little") + zlib.crc32(text).to_bytes(4, "little") + packfile.MAGIC
    return data[: -packfile.END - words - 4 * count] + text + end


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "cut": lambda data: data[: len(data) // 2],
    "empty": lambda data: b"",
    "foreign": lambda data: b"\x89PNG" * 5000,
    "longer": lambda data: b"x" + data,
    "a flipped pixel": lambda data: bytes([data[0] ^ 1]) + data[1:],
    "a flipped checksum": lambda data: data.replace(b'{"shape', b'}"shape'),
    "endless tail": lambda data: data[: -packfile.END] + (2**60).to_bytes(8, "little") + data[-packfile.END + 8 :],
    "nonsense": lambda data: b"{]" + (2).to_bytes(8, "little") + bytes(4) + packfile.MAGIC,
    "negative sides": lambda data: rewritten(data, shape=[40, -16, -16, 3]),
    "other sides": lambda data: rewritten(data, shape=[40, 8, 32, 3]),
    "other channels": lambda data: rewritten(data, shape=[40, 16, 16, 5]),
    "huge sides": lambda data: rewritten(data, shape=[40, 2**62, 2**62, 3]),
    "no shape": lambda data: rewritten(data, shape=[]),
    "huge numbers": lambda data: rewritten(data, missing=[2**70]),
    "missing and there": lambda data: rewritten(data, missing=[1]),
    "a word": lambda data: rewritten(data, missing="x"),
    "unread and there": lambda data: rewritten(data, unread=[7]),
    "bad is a number": lambda data: rewritten(data, bad=[7]),
    "deep": lambda data: rewritten(data, bad=0).replace(b'"bad": 0}', b'"bad": ' + b"[" * 99_999),
    "pickle": lambda data: pickle.dumps(Payload()) * 99,
}


class Payload:
    def __reduce__(self) -> tuple[Any, ...]:
        return (refuse, ())


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_torn_or_foreign_cache_is_made_again(
    recipe: Images, tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    expected = whole(recipe.open(tmp_path / "cache")).clone()
    file = only_cache(tmp_path / "cache")
    data = file.read_bytes()
    file.unlink()  # the old map stays whole
    file.write_bytes(DAMAGE[damage](data))
    assert not caplog.text
    assert torch.equal(whole(recipe.open(tmp_path / "cache")), expected)
    assert file.read_bytes() == data
    assert caplog.text.count("they are made again") in (1, 2)  # said, by whoever looks before and in the lock


def test_words_in_a_cache_are_printed_safely(recipe: Images, tmp_path: Path) -> None:
    recipe.open(tmp_path / "cache")
    file = only_cache(tmp_path / "cache")
    data = file.read_bytes()
    file.unlink()
    file.write_bytes(rewritten(data, bad=[["\x1b[2J.png", "\x1b]0;title\x07"]]))
    with pytest.raises(DataError) as refused:
        recipe.open(tmp_path / "cache")
    assert str(refused.value).isprintable()


def test_damage_in_a_large_cache_is_found_when_the_image_is_used(
    recipe: Images, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packfile, "AT_ONCE", 0)
    expected = whole(recipe.open(tmp_path / "cache")).clone()
    file = only_cache(tmp_path / "cache")
    data = bytearray(file.read_bytes())
    size = 16 * 16 * 3
    for byte in (7 * size, 8 * size - 1):  # the first and the last of image 7
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
    monkeypatch.setattr(packfile, "AT_ONCE", 0)
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
    shelf_type = folder.FolderShelf if packed_as == "folder" else archive.ZipShelf
    inner, tries = shelf_type.read, []

    def failing(self: Shelf, name: str, limit: int = 2**20) -> bytes:
        tries.append(name)
        if name == "07.png" and tries.count(name) > (packed_as == "folder"):  # a folder is read to be listed first
            raise Unread("Input/output error")
        return inner(self, name, limit)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shelf_type, "read", failing)
        worse = recipe.open(tmp_path / "cache")
    assert "1 of 40 images cannot be used and are left out: 07.png (Input/output error)" in worse.notices[0]
    assert (len(worse), worse.skipped) == (39, 1)
    better = recipe.open(tmp_path / "cache")
    assert (len(better), better.notices, better.fingerprint) == (40, (), good.fingerprint)
    assert worse.fingerprint != good.fingerprint


def test_an_image_that_changes_while_it_is_opened_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = folder_of(tmp_path / "x", FILES)
    inner, tries = folder.FolderShelf.read, []

    def changing(self: folder.FolderShelf, name: str, limit: int = 2**20) -> bytes:
        tries.append(name)
        return inner(self, name, limit) if tries.count("05.png") < 2 or name != "05.png" else png(9, 16)

    monkeypatch.setattr(folder.FolderShelf, "read", changing)
    with pytest.raises(DataError, match=r"05\.png \(it changed while the data were opened\)"):
        Images(path=str(path), resolution=16).open(tmp_path / "cache")


def hold(file: Path, held: Any, release: Any) -> None:
    with packing._locked(file):
        held.set()
        release.wait(30)


def test_a_wait_for_a_process_that_hangs_is_said_and_its_death_ends_it(
    recipe: Images, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(packing, "PATIENCE", 0.1)
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
    cache, inner, seen = tmp_path / "cache", Decoder.decode, []

    def die(*asked: Any) -> np.ndarray:
        seen.append(asked)
        if len(seen) > 20:
            raise KeyboardInterrupt  # nothing tidies up after it, as after a kill
        return inner(*asked)

    monkeypatch.setattr(Decoder, "decode", die)
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


def listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Images, Path, PixelSource]:
    """An archive whose listing is kept: small as it is, and just made."""
    monkeypatch.setattr(listing, "WORTH", 1)
    monkeypatch.setattr(listing, "FRESH", -1e9)
    files = {f"{i % 3}/{i}.png": noise_png(i) for i in range(12)} | {"empty.png": b"", "notes.txt": b"", ".x.png": b""}
    recipe = Images(path=str(zip_of(tmp_path / "l.zip", files)), resolution=8, labels=True, bad_share=0.5)
    source = recipe.open(tmp_path / "cache")
    (file,) = (tmp_path / "cache").glob("listing-*")
    return recipe, file, source


def test_an_unchanged_archive_is_not_listed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe, _, first = listed(tmp_path, monkeypatch)
    monkeypatch.setattr(zipfile, "ZipFile", refuse)
    again = recipe.open(tmp_path / "cache")
    assert (again.fingerprint, again.notices, again.spec) == (first.fingerprint, first.notices, first.spec)
    assert torch.equal(whole(again), whole(first))
    monkeypatch.undo()
    monkeypatch.setattr(listing, "FRESH", -1e9)
    smaller = recipe.model_copy(update={"resolution": 4}).open(tmp_path / "cache")  # decoded from what was listed
    assert len(smaller) == len(first) == 12
    with zipfile.ZipFile(recipe.path, "a") as archive:
        archive.writestr("0/new.png", png(5))
    assert len(recipe.open(tmp_path / "cache")) == 13


def test_a_fresh_archive_is_listed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "WORTH", 1)
    Images(path=str(zip_of(tmp_path / "l.zip", FILES)), resolution=8).open(tmp_path / "cache")
    assert not list((tmp_path / "cache").glob("listing-*"))  # it may change again within a tick of the clock


LISTINGS: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda data: b"",
    "cut": lambda data: data[:-5],
    "flipped": lambda data: data[:-5] + b"!" + data[-4:],
    "pickle": lambda data: pickle.dumps(Payload()),
    "no words": lambda data: relisted(data, b"[]"),
    "more than there are": lambda data: relisted(data, told(data).replace(b'"count": 13', b'"count": 99')),
    "less than none": lambda data: relisted(data, told(data).replace(b'"count": 13', b'"count": -1')),
    "more words than bytes": lambda data: relisted(data, told(data).replace(b'"count": 13', b'"count": 14')),
    "endless words": lambda data: relisted(data, b"{", length=2**60),
}


def told(data: bytes) -> bytes:
    """The words of a listing."""
    start = len(listing.MAGIC) + 12
    words = data[start : start + int.from_bytes(data[start - 8 : start], "little")]
    assert b'"count": 13' in words
    return words


def relisted(data: bytes, words: bytes, length: int | None = None) -> bytes:
    """A listing with other words, and the right checksum."""
    old = int.from_bytes(data[len(listing.MAGIC) + 4 :][:8], "little")
    rest = (length or len(words)).to_bytes(8, "little") + words + data[len(listing.MAGIC) + 12 + old :]
    return listing.MAGIC + zlib.crc32(rest).to_bytes(4, "little") + rest


@pytest.mark.parametrize("damage", LISTINGS)
def test_a_damaged_or_hostile_listing_is_made_again(
    damage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe, file, first = listed(tmp_path, monkeypatch)
    data = file.read_bytes()
    file.write_bytes(LISTINGS[damage](data))
    assert file.read_bytes() != data
    assert recipe.open(tmp_path / "cache").fingerprint == first.fingerprint
    assert file.read_bytes() == data


def test_a_listing_that_lies_gives_no_other_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names that are not there, and checksums of something else: named, and nothing outside the archive is read."""
    recipe, file, _ = listed(tmp_path, monkeypatch)
    data = file.read_bytes().replace(b"0/0.png", b"../0pngx"[:7])
    rest = data[len(listing.MAGIC) + 4 :]
    file.write_bytes(listing.MAGIC + zlib.crc32(rest).to_bytes(4, "little") + rest)
    source = recipe.open(tmp_path / "cache")
    assert "(it is not in the archive any more)" in source.notices[0]


def test_files_changed_just_now_are_not_trusted(tmp_path: Path) -> None:
    file = tmp_path / "1.png"
    file.write_bytes(png())
    stamps = Stamps(tmp_path, tmp_path)
    stamps.note("1.png", file.stat(), 7)
    assert stamps.new == {}
    stamps.began += 2 * FRESH
    stamps.note("1.png", file.stat(), 7)
    assert stamps.new["1.png"][4] == 7
