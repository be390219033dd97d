"""Training goes on at full speed whatever the store does, and the end says what is missing."""

from __future__ import annotations

import multiprocessing
import re
import resource
import time
from pathlib import Path

import pytest
from support import tracking as support
from support.inside import inside as inside
from support.servers import black_hole, serving

from ganforge.tracking import Store
from ganforge.tracking.reading import read_json

CALL = 0.005  # seconds that one call of the trainer may take
PAUSE = 0.2  # of the slow server here; `tests/reliability/mlflow_stores.py` has one of two seconds


def calls(folder: support.RunFolder, count: int = 300, start: int = 0) -> float:
    """Return the time of a call, in seconds: the lower quartile, because other processes are at work here too."""
    times = []
    for images in range(start, start + count):
        before = time.perf_counter()
        folder.metrics(images, images, {f"value{index}": index / 7 for index in range(20)})
        times.append(time.perf_counter() - before)
    assert max(times) < 3, "one call waited for the server: its own patience is minutes"
    return sorted(times)[count // 4]


def test_a_dead_server_as_a_process_of_its_own(tmp_path: Path):
    folder = support.begin(tmp_path, Store("http://127.0.0.1:9"))
    child = multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,))
    child.start()  # as a loader of data does: it holds copies of the pipe and of the lock
    assert calls(folder) < CALL
    problem = support.eventually(lambda: folder.sidecar.problem, 60)
    assert problem == "no MLflow server answers at http://127.0.0.1:9"
    before = time.monotonic()
    said = folder.finish("finished", patience=0.5)
    assert time.monotonic() - before < 20
    assert said is not None
    assert problem in said
    assert "0 of 300 lines" in said
    assert re.search(r"ganforge track \S+test_a_dead_server", said)
    assert read_json(tmp_path / "run.json")["status"] == "finished"
    support.RunFolder(tmp_path, patience=0.0).close()
    child.kill()
    child.join()


def test_a_black_hole(tmp_path: Path, inside: None, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")  # the user's own choice is kept
    with black_hole() as uri:
        folder = support.begin(tmp_path, Store(uri))
        assert calls(folder) < CALL
        problem = support.eventually(lambda: folder.sidecar.problem, 40)
        assert re.fullmatch(r"the MLflow server at http://\*\*\*@127.0.0.1:\d+ does not answer in time", problem)
        before = time.monotonic()
        said = folder.finish("finished", patience=0.2)
        assert time.monotonic() - before < 20
        assert said is not None
        assert "0 of 300 lines" in said
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and b"sesame" in path.read_bytes()]


def test_a_slow_server_gets_everything_in_a_few_calls(tmp_path: Path, inside: None):
    with serving(tmp_path / "artifacts", PAUSE) as (uri, server):
        folder = support.begin(tmp_path / "run", Store(uri))
        assert calls(folder, 50) < CALL
        assert folder.finish("finished", patience=15.0) is None
    assert len(server.logged) == 1_000
    assert (tmp_path / "artifacts" / "recipe.toml").exists()
    assert server.calls <= 10, "at two seconds a call that is within the 30 s that an end may take"


def test_a_server_that_dies_in_the_run_is_said_and_the_rest_comes_later(tmp_path: Path, inside: None):
    with serving(tmp_path / "artifacts") as (uri, server):
        folder = support.begin(tmp_path / "run", Store(uri))
        assert calls(folder, 50) < CALL
        support.eventually(lambda: len(server.logged) == 1_000)
        assert folder.sidecar.problem is None
    assert calls(folder, 50, 50) < CALL
    assert support.eventually(lambda: folder.sidecar.problem, 40) == f"no MLflow server answers at {uri}"
    said = folder.finish("finished", patience=0.2)
    assert said is not None
    assert "it has 50 of 100 lines of metrics" in said
    assert "ganforge track" in said


def test_a_server_that_takes_nothing_more(tmp_path: Path, inside: None):
    with serving(tmp_path / "artifacts", refuses="disk quota of 1 GB is used up") as (uri, _):
        folder = support.begin(tmp_path / "run", Store(uri))
        assert calls(folder, 50) < CALL
        problem = support.eventually(lambda: folder.sidecar.problem, 40)
        assert problem.startswith(f"MLflow at {uri} says:")
        assert "disk quota of 1 GB is used up" in problem
        assert problem in (folder.finish("finished", patience=0.2) or "")


def test_a_damaged_database(tmp_path: Path, inside: None):
    (tmp_path / "mlflow.db").write_bytes(b"not a database " * 1000)
    folder = support.begin(tmp_path / "run", Store(f"sqlite:///{tmp_path}/mlflow.db"))
    assert calls(folder) < CALL
    problem = support.eventually(lambda: folder.sidecar.problem, 40)
    assert problem == f"{tmp_path}/mlflow.db is not an SQLite database; move it away"
    assert problem in (folder.finish("finished", patience=0.0) or "")


def test_a_store_without_room(tmp_path: Path, inside: None):
    folder = support.begin(tmp_path / "run", None)
    folder.finish("finished")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))  # a fresh database needs about a megabyte
    try:
        folder = support.begin(tmp_path / "full", Store(f"sqlite:///{tmp_path}/mlflow.db"))
        assert calls(folder) < CALL
        problem = support.eventually(lambda: folder.sidecar.problem, 40)
        said = folder.finish("finished", patience=0.0)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "cannot be written (its disk may be full)" in problem
    assert said is not None
    assert problem in said


def test_a_sidecar_that_is_gone_is_noticed(tmp_path: Path):
    folder = support.begin(tmp_path, Store("http://127.0.0.1:9"))
    assert folder.sidecar is not None
    folder.sidecar.process.kill()
    problem = support.eventually(lambda: folder.sidecar.problem)
    assert "ended with code -9" in problem
    assert "ended with code -9" in (folder.finish("finished") or "")
