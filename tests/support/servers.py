"""Servers that stand in for MLflow's: slow, refusing, silent."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


@contextlib.contextmanager
def black_hole() -> Iterator[str]:
    """Accept connections, and never answer."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        yield f"http://someone:open-sesame@127.0.0.1:{listener.getsockname()[1]}"


class Server(BaseHTTPRequestHandler):
    """The few answers of an MLflow server that a run needs, each after a while; it can refuse, too."""

    pause: float
    refuses: str | None
    calls: int
    logged: list[dict[str, object]]
    artifacts: Path

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        type(self).calls += 1
        time.sleep(self.pause)
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
        refused = self.refuses is not None and call == "runs/log-batch"
        if call == "runs/log-batch" and not refused:
            self.logged.extend(json.loads(body).get("metrics", []))
        reply = {"error_code": "INTERNAL_ERROR", "message": self.refuses} if refused else replies.get(call, {})
        data = json.dumps(reply).encode()
        self.send_response(507 if refused else 200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        with contextlib.suppress(BrokenPipeError):  # the sidecar was ended in the meantime
            self.wfile.write(data)

    do_GET = do_POST = do_PATCH = answer

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def serving(artifacts: Path, pause: float = 0.0, refuses: str | None = None) -> Iterator[tuple[str, type[Server]]]:
    """Run a server; its handler's class knows what came in. It dies with its connections when the block is left."""
    members = {"logged": [], "artifacts": artifacts, "pause": pause, "refuses": refuses, "calls": 0}
    handler = type("Handler", (Server,), members)
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", handler
    finally:
        server.shutdown()
        server.server_close()
