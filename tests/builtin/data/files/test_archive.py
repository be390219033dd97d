"""The index of an archive: a directory of many names is not read at every start, nor believed when it is damaged."""

from __future__ import annotations

import gzip
import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from support.images import noise_png, png, zip_of

from ganforge.builtin.data.files import archive, index
from ganforge.builtin.data.images import Images
from ganforge.builtin.data.sources.pixels import PixelSource


def whole(source: PixelSource) -> torch.Tensor:
    return source.batch(np.arange(len(source)))["image"]


def refuse(*_: object) -> None:
    raise AssertionError("the archive was read again")


def listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Images, Path, PixelSource]:
    """An archive whose index is kept: small as it is, and just made."""
    monkeypatch.setattr(archive, "INDEXED_FROM", 1)
    monkeypatch.setattr(index, "SETTLED", -1e9)
    files = {f"{i % 3}/{i}.png": noise_png(i) for i in range(12)} | {"empty.png": b"", "notes.txt": b"", ".x.png": b""}
    recipe = Images(path=str(zip_of(tmp_path / "l.zip", files)), resolution=8, labels=True, bad_share=0.5)
    source = recipe.open(tmp_path / "cache")
    (file,) = (tmp_path / "cache").glob("archive-*")
    return recipe, file, source


def test_an_unchanged_archive_is_not_listed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe, _, first = listed(tmp_path, monkeypatch)
    monkeypatch.setattr(zipfile, "ZipFile", refuse)
    again = recipe.open(tmp_path / "cache")
    assert (again.fingerprint, again.notices, again.spec) == (first.fingerprint, first.notices, first.spec)
    assert torch.equal(whole(again), whole(first))
    monkeypatch.undo()
    monkeypatch.setattr(index, "SETTLED", -1e9)
    smaller = recipe.model_copy(update={"resolution": 4}).open(tmp_path / "cache")  # decoded from what was listed
    assert len(smaller) == len(first) == 12
    with zipfile.ZipFile(recipe.path, "a") as writer:
        writer.writestr("0/new.png", png(5))
    assert len(recipe.open(tmp_path / "cache")) == 13


def test_a_fresh_archive_is_listed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "INDEXED_FROM", 1)
    Images(path=str(zip_of(tmp_path / "l.zip", {"1.png": png(1)})), resolution=8).open(tmp_path / "cache")
    assert not list((tmp_path / "cache").glob("archive-*"))  # it may change again within a tick of the clock


def changed(data: bytes, **changes: object) -> bytes:
    """An index with other content, whole in itself."""
    return gzip.compress(json.dumps(json.loads(gzip.decompress(data)) | changes).encode())


class Payload:
    def __reduce__(self) -> tuple[object, ...]:
        return (refuse, ())


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda data: b"",
    "cut": lambda data: data[:-5],
    "flipped": lambda data: data[:50] + bytes([data[50] ^ 1]) + data[51:],
    "another checksum": lambda data: data[:-8] + b"!" + data[-7:],
    "pickle": lambda data: pickle.dumps(Payload()),
    "a packed pickle": lambda data: gzip.compress(pickle.dumps(Payload())),
    "a bomb": lambda data: gzip.compress(gzip.decompress(data) + b" " * 2**20),
    "no table": lambda data: gzip.compress(b"[]"),
    "deep": lambda data: gzip.compress(b"[" * 99_999),
    "more names than sizes": lambda data: changed(data, names=["x.png"] * 14),
    "fewer checksums": lambda data: changed(data, crcs=[1]),
    "no names": lambda data: changed(data, names=None),
    "sizes that are words": lambda data: changed(data, sizes=["x"] * 13),
    "huge sizes": lambda data: changed(data, sizes=[2**70] * 13),
    "bad is a number": lambda data: changed(data, bad=[7]),
    "another version": lambda data: changed(data, version=0),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_or_hostile_index_is_made_again(damage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe, file, first = listed(tmp_path, monkeypatch)
    monkeypatch.setattr(index, "MAX_INDEX_BYTES", 2**20)
    data = file.read_bytes()
    file.write_bytes(DAMAGE[damage](data))
    assert file.read_bytes() != data
    assert recipe.open(tmp_path / "cache").fingerprint == first.fingerprint
    assert file.read_bytes() == data


def test_an_index_that_lies_gives_no_other_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names that are not there, and checksums of something else: named, and nothing outside the archive is read."""
    recipe, file, _ = listed(tmp_path, monkeypatch)
    names = json.loads(gzip.decompress(file.read_bytes()))["names"]
    assert names[0] == "0/0.png"
    file.write_bytes(changed(file.read_bytes(), names=["../0pngx", *names[1:]]))
    source = recipe.open(tmp_path / "cache")
    assert "(it is not in the archive any more)" in source.notices[0]
