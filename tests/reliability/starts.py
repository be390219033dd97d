"""Start and stop a tiny run a thousand times, and see that nothing of it stays.

    python tests/reliability/starts.py --forked 1000 --real 20

Forked starts are children of one process that has imported everything, so that a thousand take minutes: what a run does
is all there, what Python does before is not. Real ones are `ganforge run` from the shell, with MLflow in an SQLite file
and so with a second process each. Of four runs two end by themselves, one by SIGTERM and one by Ctrl-C.

Afterwards there must be no process of theirs, no file in `TMPDIR`, no new semaphore or shared memory in `/dev/shm`, no
half-written file in a run's folder, no descriptor more in the process that started them, and the last starts must not
be slower than the first.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import math
import os
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.ring import ring_recipe

from ganforge.cli import main as ganforge
from ganforge.plugins.loading import load_catalogue
from ganforge.tracking import read_run_json

HIDDEN = {".lock", ".mlflow.lock"}  # files of a run's folder that begin with a dot and are meant to stay
ENDS = (None, None, signal.SIGTERM, signal.SIGINT)  # how runs end, in turn
Start = Callable[[Sequence[str]], int]  # command line -> process id


@dataclass
class Tally:
    """What became of the starts."""

    codes: dict[int, int] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)  # of CPU time, of runs that ended by themselves
    wrong: list[str] = field(default_factory=list)


def recipe_of(images: int, tracking: str) -> str:
    """Return a recipe of so many images that uses a bit of everything."""
    return ring_recipe(
        images=images,
        batch=16,
        log_every=32,
        grid_every=64,
        checkpoint_every=32,
        ema=100,
        tracking=tracking,
        more="""
[[metrics]]
kind = "mode-coverage"
samples = 64
every_images = 64
""",
    )


def fork(arguments: Sequence[str]) -> int:
    """Start the command line in a forked child; return its process id."""
    process = os.fork()
    if process:
        return process
    code = 1
    try:
        nothing = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(nothing, stream)
        ganforge(arguments)
    except SystemExit as ended:
        code = int(ended.code or 0)
    finally:
        os._exit(code)


def import_all(out: Path) -> None:
    """Import all that a run imports on its way, PyTorch's compiler for one: let a child play, and list its modules."""
    (out / "first.toml").write_text(recipe_of(64, "none"))
    listed = out / "modules.txt"
    process = os.fork()
    if not process:
        try:
            ganforge(["run", str(out / "first.toml"), "--out", str(out / "first"), "--device", "cpu", "--quiet"])
        except SystemExit:
            listed.write_text("\n".join(sys.modules))
        finally:
            os._exit(0)
    os.waitpid(process, 0)
    for name in listed.read_text().splitlines():
        with contextlib.suppress(Exception):  # some are no modules of their own
            importlib.import_module(name)


def shell(arguments: Sequence[str]) -> int:
    """Start the command line as a shell does; return its process id."""
    quiet = subprocess.DEVNULL
    return subprocess.Popen([sys.executable, "-m", "ganforge", *arguments], stdin=quiet, stdout=quiet, stderr=quiet).pid


def play(count: int, start: Start, tracking: str, out: Path, tally: Tally, until: float) -> None:
    """Start and end so many runs, one after the other; begin none after a time."""
    recipes = {}
    for name, images in (("short", 128), ("long", 1_000_000_000)):
        recipes[name] = out / f"{name}-{tracking}.toml"
        recipes[name].write_text(recipe_of(images, tracking))
    for index in range(count):
        if time.monotonic() > until:
            return
        ending, folder = ENDS[index % len(ENDS)], out / f"run-{tracking}"
        recipe = recipes["short" if ending is None else "long"]
        process = start(["run", str(recipe), "--out", str(folder), "--device", "cpu", "--quiet"])
        if ending is not None:
            deadline = time.monotonic() + 120
            while not list((folder / "checkpoints").glob("images-*")) and time.monotonic() < deadline:
                time.sleep(0.005)
            os.kill(process, ending)
        _, status, used = os.wait4(process, 0)
        code = os.waitstatus_to_exitcode(status)
        tally.codes[code] = tally.codes.get(code, 0) + 1
        if ending is None:
            tally.seconds.append(used.ru_utime + used.ru_stime)
        expected = (0, "finished") if ending is None else (128 + ending, "killed")
        found = (code, read_run_json(folder).get("status"))
        if found != expected:
            tally.wrong.append(f"start {index}: {found}, expected {expected}")
        left = [path.name for path in folder.rglob(".*") if path.name not in HIDDEN]
        if left:
            tally.wrong.append(f"start {index} left {', '.join(left)} in its folder")
        shutil.rmtree(folder)


def shared() -> set[str]:
    """Return the names of shared memory and semaphores."""
    return {path.name for path in Path("/dev/shm").iterdir()} if Path("/dev/shm").is_dir() else set()


def of_ours(out: Path) -> list[str]:
    """Return the processes that have to do with a folder, beside this one."""
    found = []
    for process in psutil.process_iter(["pid", "cmdline"]):
        words = " ".join(process.info["cmdline"] or ())
        if process.pid != os.getpid() and str(out) in words:
            found.append(f"{process.pid} {words[:100]}")
    return found


def starts(forked: int, real: int, out: Path, until: float = math.inf) -> Tally:
    """Do all of it in a folder of its own, or what can be done until a time; return what was found."""
    temporary = out / "tmp"
    temporary.mkdir()
    before, tally = dict(os.environ), Tally()
    os.environ |= {"TMPDIR": str(temporary), "GANFORGE_CACHE": str(out / "cache"), "GANFORGE_PLUGINS": ""}
    os.environ |= {"MLFLOW_TRACKING_URI": f"sqlite:///{out}/mlflow.db"}
    tempfile.tempdir = None  # it is read again
    load_catalogue()
    import_all(out)
    me, there = psutil.Process(), shared()
    known = set(me.children(recursive=True))  # of whoever calls this
    open_before = me.num_fds()
    try:
        play(forked, fork, "none", out, tally, until)
        alone = list(tally.seconds)  # CPU times of forked runs
        play(real, shell, "mlflow", out, tally, until)
    finally:
        os.environ.clear()
        os.environ.update(before)
        tempfile.tempdir = None
    deadline = time.monotonic() + 10

    def children() -> set[psutil.Process]:
        return set(me.children(recursive=True)) - known

    while (of_ours(out) or children() or shared() - there) and time.monotonic() < deadline:
        time.sleep(0.2)
    tally.wrong += [f"process {text} is still there" for text in of_ours(out)]
    tally.wrong += [f"child {child.pid} is still there" for child in children()]
    tally.wrong += [f"{name} is new in /dev/shm" for name in sorted(shared() - there)]
    left = [path.name for path in temporary.iterdir() if not path.name.startswith("torchinductor_")]  # one for all
    tally.wrong += [f"{name} was left in TMPDIR" for name in left]
    if me.num_fds() > open_before:
        tally.wrong.append(f"{me.num_fds()} descriptors, {open_before} before")
    tenth = len(alone) // 10
    if tenth >= 10:
        first, last = statistics.median(alone[:tenth]), statistics.median(alone[-tenth:])
        if last > 1.5 * first:
            tally.wrong.append(f"the last starts took {last:.3f} s of CPU time, the first {first:.3f} s")
    return tally


def main() -> int:
    """Read the command line, start and stop, say what was found."""
    parser = argparse.ArgumentParser(description="start and stop a tiny run many times")
    parser.add_argument("--forked", type=int, default=1000, help="starts in forked children (default 1000)")
    parser.add_argument("--real", type=int, default=20, help="starts from the shell, with MLflow (default 20)")
    parser.add_argument("--minutes", type=float, default=math.inf, help="begin no start after so long")
    given = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        tally = starts(given.forked, given.real, Path(folder), began + 60 * given.minutes)
    own = [f"{value:.3f}" for value in (statistics.median(tally.seconds), max(tally.seconds))] if tally.seconds else []
    used, done = resource.getrusage(resource.RUSAGE_CHILDREN), sum(tally.codes.values())
    said = [
        f"{done} starts, of {given.forked} forked and {given.real} real ones, in {time.monotonic() - began:.0f} s "
        f"({used.ru_utime + used.ru_stime:.0f} s of CPU time); exit codes "
        + ", ".join(f"{code}: {count}" for code, count in sorted(tally.codes.items())),
        f"CPU time of a run that ended by itself: median and most {', '.join(own)} s",
        *(f"WRONG {what}" for what in tally.wrong[:20]),
        f"{len(tally.wrong)} things wrong",
    ]
    sys.stdout.write("\n".join(said) + "\n")
    return 1 if tally.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
