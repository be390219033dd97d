"""Where runs and caches are kept."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ganforge.errors import GanforgeError
from ganforge.storage.folders import cache_folder, new_run, runs_of


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)


def test_runs_are_numbered():
    assert runs_of("faces") == []
    assert [str(new_run("faces")) for _ in range(3)] == ["runs/faces", "runs/faces-2", "runs/faces-3"]
    assert [path.name for path in runs_of("faces")] == ["faces", "faces-2", "faces-3"]


def test_order_is_by_number_and_foreign_names_do_not_count():
    for name in ("faces-10", "faces-9", "faces", "faces-old", "faces-2-b", "face", "faces2"):
        Path("runs", name).mkdir(parents=True)
    Path("runs/faces-11").write_text("a file")
    assert [path.name for path in runs_of("faces")] == ["faces", "faces-9", "faces-10"]
    assert new_run("faces").name in {"faces-11", "faces-12"}


def test_many_starts_at_once_get_folders_of_their_own():
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda _: new_run("faces"), range(40)))
    assert len(set(found)) == 40


def test_the_cache_is_where_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GANFORGE_CACHE", str(tmp_path / "a" / "b"))
    assert cache_folder() == tmp_path / "a" / "b"
    assert cache_folder().is_dir()
    monkeypatch.delenv("GANFORGE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "x"))
    assert cache_folder() == tmp_path / "x" / "ganforge"


def test_a_cache_that_cannot_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("GANFORGE_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(GanforgeError, match=r"cannot be made .*; set GANFORGE_CACHE"):
        cache_folder()
    Path("runs").write_text("")
    with pytest.raises(GanforgeError, match="choose another with `folder`"):
        new_run("faces")
