"""Training goes on at full speed whatever the store does, and the end says what is missing."""

from __future__ import annotations

import contextlib
import json
import re
import resource
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import support_tracking as support

from ganforge.tracking import Store
from ganforge.tracking.lines import read_json

CALL = 0.005  # seconds that one call of the trainer may take


@contextlib.contextmanager
def black_hole() -> Iterator[str]:
    """Accept connections, and never answer."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        yield f"http://someone:open-sesame@127.0.0.1:{listener.getsockname()[1]}"


class Slow(BaseHTTPRequestHandler):
    """The few answers of an MLflow server that a run needs, each after two seconds."""

    logged: list[dict[str, object]]
    artifacts: Path

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        time.sleep(2.0)
        info = {"run_id": "r1", "run_uuid": "r1", "experiment_id": "1", "status": "RUNNING", "start_time": 1}
        run = {"run": {"info": {**info, "artifact_uri": str(self.artifacts)}, "data": {}}}
        replies = {
            "experiments/get-by-name": {"experiment": {"experiment_id": "1", "name": "ganforge"}},
            "runs/search": {"runs": []},
            "runs/create": run,
            "runs/get": run,
            "runs/update": {"run_info": info},
        }
        call = self.path.partition("/mlflow/")[2].partition("?")[0]
        if call == "runs/log-batch":
            self.logged.extend(json.loads(body).get("metrics", []))
        data = json.dumps(replies.get(call, {})).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        with contextlib.suppress(BrokenPipeError):  # the sidecar was ended in the meantime
            self.wfile.write(data)

    do_GET = do_POST = do_PATCH = answer

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def slow_server(tmp_path: Path) -> Iterator[tuple[str, type[Slow]]]:
    handler = type("Handler", (Slow,), {"logged": [], "artifacts": tmp_path / "artifacts"})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", handler
    server.shutdown()
    server.server_close()


def calls(folder: support.RunFolder, count: int = 300) -> float:
    """Return the time of a call, in seconds: the lower quartile, because other processes are at work here too."""
    times = []
    for images in range(count):
        before = time.perf_counter()
        folder.metrics(images, images, {f"value{index}": index / 7 for index in range(20)})
        times.append(time.perf_counter() - before)
    assert max(times) < 0.5
    return sorted(times)[count // 4]


def test_a_dead_server(tmp_path: Path):
    folder = support.begin(tmp_path, Store("http://127.0.0.1:9"))
    assert calls(folder) < CALL
    problem = support.eventually(lambda: folder.problem, 40)
    assert problem == "no MLflow server answers at http://127.0.0.1:9"
    before = time.monotonic()
    said = folder.finish("finished", patience=1.0)
    assert time.monotonic() - before < 4.0
    assert said is not None
    assert problem in said
    assert "0 of 300 lines" in said
    assert re.search(r"ganforge track \S+test_a_dead_server", said)
    assert read_json(tmp_path / "run.json")["status"] == "finished"


def test_a_black_hole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")  # the user's own choice is kept
    with black_hole() as uri:
        folder = support.begin(tmp_path, Store(uri))
        assert calls(folder) < CALL
        problem = support.eventually(lambda: folder.problem, 40)
        assert re.fullmatch(r"the MLflow server at http://\*\*\*@127.0.0.1:\d+ does not answer in time", problem)
        before = time.monotonic()
        said = folder.finish("finished", patience=1.0)
        assert time.monotonic() - before < 4.0
        assert said is not None
        assert "0 of 300 lines" in said
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and b"sesame" in path.read_bytes()]


def test_a_slow_server_gets_everything_in_a_few_calls(tmp_path: Path, slow_server: tuple[str, type[Slow]]):
    uri, server = slow_server
    folder = support.begin(tmp_path / "run", Store(uri))
    assert calls(folder, 50) < CALL
    assert folder.finish("finished", patience=15.0) is None
    assert len(server.logged) == 1_000
    assert (tmp_path / "artifacts" / "recipe.toml").exists()


def test_a_damaged_database(tmp_path: Path):
    (tmp_path / "mlflow.db").write_bytes(b"not a database " * 1000)
    folder = support.begin(tmp_path / "run", Store(f"sqlite:///{tmp_path}/mlflow.db"))
    assert calls(folder) < CALL
    problem = support.eventually(lambda: folder.problem, 40)
    assert problem == f"{tmp_path}/mlflow.db is not an SQLite database; move it away"
    (tmp_path / "mlflow.db").unlink()
    said = folder.finish("finished", patience=0.0)
    assert said is None or problem in said


def test_a_store_without_room(tmp_path: Path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))  # a fresh database needs about a megabyte
    try:
        folder = support.begin(tmp_path / "run", Store(f"sqlite:///{tmp_path}/mlflow.db"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert calls(folder) < CALL
    problem = support.eventually(lambda: folder.problem, 40)
    assert "cannot be written (its disk may be full)" in problem
    said = folder.finish("finished", patience=0.0)
    assert said is not None
    assert problem in said


def test_a_sidecar_that_is_gone_is_noticed(tmp_path: Path):
    folder = support.begin(tmp_path, Store("http://127.0.0.1:9"))
    assert folder._sidecar is not None
    folder._sidecar.process.kill()
    problem = support.eventually(lambda: folder.problem)
    assert "ended with code -9" in problem
    assert "ended with code -9" in (folder.finish("finished") or "")
