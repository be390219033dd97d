"""Checksums of a folder's files: those that did not change are not read again."""

from __future__ import annotations

import gzip
import time
from pathlib import Path

import pytest
from support.images import folder_of, png

from ganforge.builtin.data.files.folder import ImageFolder
from ganforge.builtin.data.files.index import SETTLED, FolderChecksums
from ganforge.builtin.data.images import Images


def refuse(*_: object) -> None:
    raise AssertionError("a file was read again")


def test_an_unchanged_folder_is_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = folder_of(tmp_path / "x", {"1.png": png(1), "2.png": png(2)})
    (tmp_path / "cache").mkdir()
    later = time.time() + 2 * SETTLED
    monkeypatch.setattr(time, "time", lambda: later)
    recipe = Images(path=str(path), resolution=8)
    first = recipe.open(tmp_path / "cache")
    (index,) = (tmp_path / "cache").glob("folder-*.json.gz")
    monkeypatch.setattr(ImageFolder, "read", refuse)
    assert recipe.open(tmp_path / "cache").fingerprint == first.fingerprint
    monkeypatch.undo()
    for damaged in ("{", "[1]", '{"1.png": [1]}', '{"1.png": "x"}', '{"1.png": 1}', '{"1.png": [1, 2, 3, 4, "5"]}'):
        index.write_bytes(gzip.compress(damaged.encode()))
        assert recipe.open(tmp_path / "cache").fingerprint == first.fingerprint


def test_files_changed_just_now_are_not_trusted(tmp_path: Path) -> None:
    file = tmp_path / "1.png"
    file.write_bytes(png())
    checksums = FolderChecksums(tmp_path, tmp_path)
    checksums.put("1.png", file.stat(), 7)
    assert checksums.new == {}
    checksums.began += 2 * SETTLED
    checksums.put("1.png", file.stat(), 7)
    assert checksums.new["1.png"][4] == 7
