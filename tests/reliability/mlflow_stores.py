"""MLflow at its worst, with whole runs: many starts at once on a fresh database, a server of 2 s a call, none at all.

python tests/reliability/mlflow_stores.py --starts 8
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mlflow.tracking import MlflowClient

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.ring import ring_recipe
from support.servers import serving

from ganforge.tracking import read_run_json

PATIENCE = 900.0  # seconds until all must be live


def recipe_of(images: int, log_every: int, grid_every: int) -> str:
    """Return a recipe of so many images, mirrored into MLflow unless the command line says otherwise."""
    return ring_recipe(
        images=images, batch=16, log_every=log_every, grid=16, grid_every=grid_every, watched=0, tracking="mlflow"
    )


def start(recipe: Path, folder: Path, uri: str) -> subprocess.Popen[bytes]:
    """Start a run; an empty `uri` is a run that is not mirrored."""
    tracking = f"tracking.uri={uri}" if uri else "tracking.kind=none"
    command = [sys.executable, "-m", "ganforge", "run", str(recipe), "--out", str(folder), "--device", "cpu"]
    with folder.with_suffix(".log").open("wb") as log:
        return subprocess.Popen([*command, "--quiet", "--set", tracking], stdout=log, stderr=log)


def state(folder: Path) -> dict[str, object]:
    """Return what the mirroring process of a run says of itself."""
    path = folder / "mlflow.json"
    found: dict[str, object] = json.loads(path.read_text()) if path.exists() else {}
    return found


def lines(folder: Path) -> int:
    """Return how many lines of metrics a run has written."""
    return (folder / "metrics.jsonl").read_bytes().count(b"\n")


def fresh_database(count: int, out: Path) -> tuple[str, bool]:
    """Start so many runs at once, which all want the same database that is not there; stop them when all are live."""
    recipe = out / "long.toml"
    recipe.write_text(recipe_of(1_000_000_000, log_every=32_000, grid_every=1_000_000))
    uri, folders = f"sqlite:///{out}/mlflow.db", [out / f"run{index}" for index in range(count)]
    began = time.monotonic()
    runs = [start(recipe, folder, uri) for folder in folders]
    live: set[Path] = set()
    try:
        while len(live) < count and time.monotonic() - began < PATIENCE:
            time.sleep(0.5)
            for run, folder in zip(runs, folders, strict=True):
                if state(folder):  # its mirror has begun: the CPU is for these
                    run.send_signal(signal.SIGSTOP)
            live = {folder for folder in folders if state(folder).get("phase") == "following"}
    finally:
        for run in runs:
            run.send_signal(signal.SIGCONT)
            run.send_signal(signal.SIGTERM)
    seconds, codes = time.monotonic() - began, [run.wait(300) for run in runs]
    client = MlflowClient(uri)
    found = client.search_runs([client.get_experiment_by_name("ganforge").experiment_id])
    whole = sum(
        sum(sent["lines"] for sent in state(folder)["runs"].values()) == lines(folder)  # type: ignore[attr-defined]
        for folder in folders
        if state(folder).get("phase") == "complete"
    )
    killed = sum(run.info.status == "KILLED" for run in found)
    text = (
        f"{count} starts at once on a fresh database: {len(live)} live after {seconds:.0f} s; stopped, {killed} are "
        f"KILLED in MLflow, {whole} with every line; exit codes {sorted(set(codes))}"
    )
    return text, len(live) == killed == whole == count and codes == [143] * count


@contextmanager
def server(name: str, out: Path) -> Iterator[tuple[str, list[int]]]:
    """Give the address of a server of a kind, and count its calls."""
    if name == "slow":
        with serving(out / "artifacts", 2.0) as (uri, handler):
            count: list[int] = []
            yield uri, count
            count.append(handler.calls)
    else:
        yield {"dead": "http://127.0.0.1:9", "none": ""}[name], []


def bad_server(name: str, out: Path) -> tuple[str, float]:
    """Play a short run against a server; return words, and the median rate that it logged."""
    recipe, folder = out / "short.toml", out / f"server-{name}"
    recipe.write_text(recipe_of(320_000, log_every=6_400, grid_every=100_000))
    with server(name, out) as (uri, calls):
        process = start(recipe, folder, uri)
        code = process.wait(600)
    ended = float(read_run_json(folder)["end"])
    late = time.time() - ended
    log = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    rates = [rate for line in log if (rate := line["values"].get("speed/images_per_second")) is not None]
    said = folder.with_suffix(".log").read_text().strip().splitlines()
    missing = next((line for line in said if "is not complete" in line), "everything was sent")
    called = f"{calls[0]} calls; " if calls else ""
    text = (
        f"server {name}: exit code {code}, {statistics.median(rates):,.0f} points/s (median of {len(rates)} lines), "
        f"over {late:.1f} s after the last round; {called}{missing[:150]}"
    )
    return text, statistics.median(rates)


def main() -> int:
    """Read the command line, try everything, say what came of it."""
    parser = argparse.ArgumentParser(description="MLflow at its worst, with whole runs")
    parser.add_argument("--starts", type=int, default=8, help="runs at once on a fresh database (default 8)")
    parser.add_argument("--servers", nargs="*", default=["none", "slow", "dead"], help="kinds of servers to try")
    given = parser.parse_args()
    good = True
    with tempfile.TemporaryDirectory() as name:
        out = Path(name)
        os.environ |= {"GANFORGE_CACHE": f"{name}/cache", "OMP_NUM_THREADS": "1"}
        if given.starts:
            text, good = fresh_database(given.starts, out)
            sys.stdout.write(f"{text}\n")
        for kind in given.servers:
            sys.stdout.write(f"{bad_server(kind, out)[0]}\n")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
