"""Kill one of several processes again and again, at random moments, and see how soon and how quietly the others end.

    python tests/reliability/processes.py --times 20 [--processes 2]

Processes are forked with what a launcher tells each; nobody ends the others for them. Every time a random one gets
SIGKILL, from the moment when they have met to the middle of saving. The others must end by themselves with exit code 6,
without a traceback; a main process that is left says one sentence. After each the run goes on from its newest
checkpoint. (While processes have not met yet, it is the launcher that ends those that wait.)
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.forks import forked_together
from support.ring import ring_recipe

from ganforge.errors import LostError
from ganforge.storage.checkpoint import list_checkpoints, load_newest

RECIPE = ring_recipe(
    seed=1,
    images=100_000_000,
    batch=32,
    log_every=320,
    grid_every=100_000_000,
    checkpoint_every=320,
    watched=0,
    monitors=False,
    latent=16,
    width=64,
)


def kill_again_and_again(times: int, processes: int, folder: Path, longest: float = 3.0) -> list[float]:
    """Return how many seconds the slowest of the others took each time; raises where one did not end as it must."""
    os.environ["GANFORGE_PLUGINS"], os.environ["GANFORGE_CACHE"] = "", str(folder / "cache")
    (folder / "ring.toml").write_text(RECIPE)
    (folder / "run").mkdir()
    chance, taken = random.Random(1), list[float]()
    for _ in range(times):
        since = time.time()
        members = forked_together(
            ["run", "ring.toml", "--device", "cpu", "--out", "run", "--resume", "--quiet"], folder, processes
        )
        log = folder / "run" / "metrics.jsonl"
        members[0].wait_for(lambda log=log, since=since: log.exists() and log.stat().st_mtime > since)
        time.sleep(chance.uniform(0, longest))
        victim = chance.randrange(processes)
        began = time.monotonic()
        members[victim].send(signal.SIGKILL)
        codes = [member.wait(60) for member in members]
        taken.append(time.monotonic() - began)
        said = "".join(member.said for member in members)
        expected = [-signal.SIGKILL if rank == victim else LostError.exit_code for rank in range(processes)]
        assert codes == expected, f"{codes}, expected {expected}: {said}"
        assert "Traceback" not in said, said
        assert said.count("ended without a word") == (victim != 0), said
    if list_checkpoints(folder / "run" / "checkpoints"):
        assert load_newest(folder / "run" / "checkpoints")[2] == [], "every checkpoint is whole"
    return taken


def main() -> None:
    """Print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--processes", type=int, default=2)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        taken = sorted(kill_again_and_again(asked.times, asked.processes, Path(place)))
    sys.stdout.write(
        f"{len(taken)} kills of one of {asked.processes} processes: the others ended by themselves each time, after "
        f"{taken[len(taken) // 2]:.1f} s in the median, {taken[-1]:.1f} s at most\n"
    )


if __name__ == "__main__":
    main()
