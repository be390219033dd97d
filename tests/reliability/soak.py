"""Train for an hour and see whether anything grows, or slows down.

    python tests/reliability/soak.py --minutes 60 --out /tmp/soak

Plays `soak.toml` as `ganforge run` does: ADA, lazy R1, averages, grids, three metrics, checkpoints and the best of
them, all monitors, and MLflow in an SQLite file. Every minute it notes the memory, descriptors and threads of the
trainer and of the process that mirrors into MLflow, and the files in the run's folder. Then a second run of the recipe
is begun, and the two take turns (`ageing.py`): an old one must not be slower than a young one. At the end it asks both
for an end by SIGTERM, fits a line through what was noted, and judges.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).parents[1]))

from reliability.ageing import Pace, Player, last_line, pace
from reliability.trend import Trend, trend

RECIPE = Path(__file__).with_name("soak.toml")
MEMORY = 0.01  # share per hour that a line may rise, where it stands out of the noise
FIRST, TURN = 64_000, 12_800  # images of the young run before they are compared, and of a turn: all metrics once
SPEED = 0.03  # share by which an old run may be slower than a young one
WARM = 0.2  # of the time: not judged, since whatever is done now and then has to be done a first time
Sample = dict[str, float]


def look(process: psutil.Process) -> dict[str, float]:
    """Return what a process holds."""
    with process.oneshot():
        memory = process.memory_full_info()
        return {
            "rss": memory.rss / 2**20,
            "uss": memory.uss / 2**20,
            "descriptors": process.num_fds(),
            "threads": process.num_threads(),
            "cpu": sum(process.cpu_times()[:2]),
        }


def sidecar_of(folder: Path) -> psutil.Process:
    """Return the process that mirrors a run."""
    return psutil.Process(json.loads((folder / "mlflow.json").read_text())["pid"])


def sample(trainer: psutil.Process, folder: Path) -> Sample:
    """Note everything, right after a line of the log, so that images and CPU time belong together."""
    log = folder / "metrics.jsonl"
    size = log.stat().st_size
    while log.stat().st_size == size:
        time.sleep(0.02)
    found = {f"trainer/{name}": value for name, value in look(trainer).items()}
    found |= {f"sidecar/{name}": value for name, value in look(sidecar_of(folder)).items()}
    files = [path for path in folder.rglob("*") if path.is_file()]
    grids = [path for path in files if path.parent.name == "grids"]
    return found | {
        "time": time.time(),
        "images": last_line(log)["images"],
        "files": len(files) - len(grids),
        "grids": len(grids),
    }


def samples(trainer: psutil.Process, folder: Path, until: float, every: float, share: float) -> Iterator[Sample]:
    """Yield a sample now and then; let the trainer work for a share of the time only."""
    due = time.time() + every
    while time.time() < until:
        if share < 1:
            trainer.suspend()
            time.sleep(1 - share)
            trainer.resume()
        time.sleep(share)
        if time.time() >= due:
            yield sample(trainer, folder)
            due = time.time() + every


def more(values: Sequence[float]) -> bool:
    """Say whether a count is larger in the second half: usually, since a file is open now and then."""
    half = len(values) // 2
    return statistics.median(values[half:]) > statistics.median(values[:half])


def judge(seen: Sequence[Sample]) -> tuple[list[str], list[str]]:
    """Return a table, line by line, and what is wrong.

    Args:
        seen: in order.
    """
    begin, end = seen[0]["time"], seen[-1]["time"]
    late = [entry for entry in seen if entry["time"] >= begin + WARM * (end - begin)]
    hours = [(entry["time"] - begin) / 3600 for entry in late]
    rows, wrong = ["| what | first | last | per hour | judged |", "|---|---|---|---|---|"], []

    def row(name: str, values: Sequence[float], line: Trend, bad: bool) -> None:
        rows.append(
            f"| {name} | {values[0]:.4g} | {values[-1]:.4g} | {line.slope:+.3g} ± {line.error:.2g} "
            f"({line.relative:+.2%}) | {'**not steady**' if bad else 'steady'} |"
        )
        if bad:
            wrong.append(f"{name}: {line.slope:+.3g} ± {line.error:.2g} per hour, of {line.mean:.4g}")

    for who in ("trainer", "sidecar"):
        for what, label in (("rss", "resident memory, MiB"), ("uss", "memory of its own, MiB")):
            values = [entry[f"{who}/{what}"] for entry in late]
            line = trend(hours, values)
            row(f"{who}: {label}", values, line, line.grows(MEMORY))
        for what in ("descriptors", "threads"):
            values = [entry[f"{who}/{what}"] for entry in late]
            row(f"{who}: {what}", values, trend(hours, values), more(values))
    values = [entry["files"] for entry in late]
    row("files in the run's folder, grids aside", values, trend(hours, values), more(values))
    return rows, wrong


def start(folder: Path, overrides: Sequence[str] = ()) -> subprocess.Popen[bytes]:
    """Start the run."""
    command = [sys.executable, "-m", "ganforge", "run", str(RECIPE), "--out", str(folder), "--device", "cpu", "--quiet"]
    command += ["--set", f"tracking.uri=sqlite:///{folder.parent}/mlflow.db"]
    for override in overrides:
        command += ["--set", override]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "GANFORGE_CACHE": str(folder.parent / "cache")}
    with (folder.parent / "trainer.log").open("wb") as log:
        return subprocess.Popen(command, env=environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL)


def begin(folder: Path) -> subprocess.Popen[bytes]:
    """Start the run, and wait until it plays and is mirrored."""
    folder.parent.mkdir(parents=True, exist_ok=False)
    process = start(folder)
    while process.poll() is None and not (folder / "mlflow.json").exists():
        time.sleep(0.5)
    return process


def end(process: subprocess.Popen[bytes], folder: Path) -> list[str]:
    """Ask a run for its end; return what is wrong with it."""
    wrong, mirror = [], sidecar_of(folder)
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGCONT)
    code = process.wait(120)
    if code != 143:
        wrong.append(f"SIGTERM ended it with code {code}, not 143; see {folder.parent}/trainer.log")
    if mirror.is_running():
        wrong.append("the process that mirrors into MLflow is still there")
    lines = (folder / "metrics.jsonl").read_bytes().count(b"\n")
    (sent,) = json.loads((folder / "mlflow.json").read_text())["runs"].values()
    if sent["lines"] != lines:
        wrong.append(f"MLflow has {sent['lines']} of {lines} lines")
    return wrong


def soak(out: Path, minutes: float, every: float, share: float, pairs: int) -> tuple[list[Sample], Pace, list[str]]:
    """Train for so long, then in turns with a run just begun; return what was seen, and what was wrong."""
    folders, processes = (out / "run", out / "young" / "run"), []
    seen: list[Sample] = []
    try:
        processes.append(begin(folders[0]))
        with (out / "samples.jsonl").open("w") as file:
            for entry in samples(
                psutil.Process(processes[0].pid), folders[0], time.time() + minutes * 60, every, share
            ):
                seen.append(entry)
                file.write(json.dumps(entry) + "\n")
                file.flush()
        psutil.Process(processes[0].pid).suspend()
        processes.append(begin(folders[1]))
        old, young = (
            Player(psutil.Process(process.pid), folder / "metrics.jsonl")
            for process, folder in zip(processes, folders, strict=True)
        )
        young.turn(FIRST)
        found = pace(old, young, TURN, pairs)
        (out / "pace.json").write_text(json.dumps(found.ratios))
        wrong = [said for process, folder in zip(processes, folders, strict=True) for said in end(process, folder)]
    finally:
        for process in processes:
            process.kill()
    return seen, found, wrong


def main() -> int:
    """Read the command line, soak, judge."""
    parser = argparse.ArgumentParser(description="train for an hour and see whether anything grows or slows down")
    parser.add_argument("--minutes", type=float, default=60.0, help="how long (default 60)")
    parser.add_argument("--every", type=float, default=60.0, help="seconds between samples (default 60)")
    parser.add_argument("--share", type=float, default=1.0, help="of the time that the trainer may work (default 1)")
    parser.add_argument("--pairs", type=int, default=30, help="turns of the old and a young run after it (default 30)")
    parser.add_argument("--out", type=Path, required=True, help="a new folder for the run, its store and the samples")
    parser.add_argument("--judge", action="store_true", help="judge what stands in --out, without training")
    given = parser.parse_args()
    if given.judge:
        seen = [json.loads(line) for line in (given.out / "samples.jsonl").read_text().splitlines()]
        found, wrong = Pace(tuple(json.loads((given.out / "pace.json").read_text()))), []
    else:
        seen, found, wrong = soak(given.out.absolute(), given.minutes, given.every, given.share, given.pairs)
    rows, grown = judge(seen)
    speed = f"images per CPU second, beside a run just begun, in {len(found.ratios)} pairs of turns: {found}"
    if found.slower(SPEED):
        grown.append(speed)
    span, cpu = seen[-1]["time"] - seen[0]["time"], seen[-1]["trainer/cpu"] - seen[0]["trainer/cpu"]
    said = [
        *rows,
        "",
        f"{len(seen)} samples over {span / 60:.1f} minutes and {cpu / 60:.1f} minutes of CPU time of the trainer; "
        f"{seen[-1]['images']:,} images, {seen[-1]['grids']:.0f} grids",
        speed,
        *(f"WRONG {what}" for what in (*wrong, *grown)),
    ]
    sys.stdout.write("\n".join(said) + "\n")
    return 1 if wrong or grown else 0


if __name__ == "__main__":
    sys.exit(main())
