"""Kill a run with SIGKILL again and again, at random moments, and see that nothing is lost but what was not saved yet.

    python tests/reliability/kill.py --times 50

One small run saves a checkpoint after every round, so that a good part of its time is spent saving. It is killed, every
checkpoint in its folder is read, and it is resumed, as often as was asked for. At the end it is played on undisturbed,
and its last checkpoint compared, byte for byte, with that of a run that was never killed.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.forks import Forked
from support.ring import ring_recipe

from ganforge.errors import CheckpointError
from ganforge.storage.checkpoint import list_checkpoints, load_checkpoint, load_newest
from ganforge.storage.layout import images_of

INTERVAL = 32  # images: one round
RECIPE = ring_recipe(
    seed=1,
    images=100_000_000,
    batch=INTERVAL,
    log_every=INTERVAL,
    grid_every=100_000_000,
    checkpoint_every=INTERVAL,
    watched=0,
    monitors=False,
    latent=16,
    width=256,
    ema=1_000,
    more="""
[[game.discriminator.regularizers]]
kind = "r1"
every = 4
""",
)


@dataclass
class Outcome:
    """What became of a run that was killed.

    Args:
        kills: how often it was.
        saving: kills that left a checkpoint half written, or half deleted.
        read: checkpoints that were read after kills.
        unreadable: what was wrong with those that could not be.
        lost: by kill, images that were played and logged, and are not in the newest checkpoint.
        same: whether the end is that of a run that was never killed, byte for byte.
    """

    kills: int = 0
    saving: int = 0
    read: int = 0
    unreadable: list[str] = field(default_factory=list)
    lost: list[int] = field(default_factory=list)
    same: bool = False

    @property
    def good(self) -> bool:
        """Whether every checkpoint could be read, no more than an interval was lost, and the end is the same."""
        return not self.unreadable and max(self.lost, default=0) <= INTERVAL and self.same


def kill_again_and_again(here: Path, times: int, seed: int = 0) -> Outcome:
    """Kill a run in `here` so many times, resume it each time, and compare its end."""
    (here / "ring.toml").write_text(RECIPE)
    checkpoints, moments, outcome = here / "cut" / "checkpoints", random.Random(seed), Outcome()
    for _ in range(times):
        began_at = images_of(list_checkpoints(checkpoints)[-1]) if list_checkpoints(checkpoints) else 0
        run = start(here, "cut", resume=bool(began_at))
        run.wait_for(
            lambda began_at=began_at: (  # type: ignore[misc]
                list_checkpoints(checkpoints) and images_of(list_checkpoints(checkpoints)[-1]) > began_at
            )
        )
        time.sleep(moments.random() * 0.2)
        run.send(signal.SIGKILL)
        assert run.wait() == -signal.SIGKILL
        assert f"resumed at {began_at:,} images" in run.said or not began_at
        look(checkpoints, outcome)
        if outcome.unreadable:
            return outcome
    end = images_of(list_checkpoints(checkpoints)[-1]) + 2 * INTERVAL
    for name in ("cut", "whole"):
        assert start(here, name, resume=name == "cut", images=end).wait(600) == 0
    manifests = [list_checkpoints(here / name / "checkpoints")[-1] / "manifest.json" for name in ("cut", "whole")]
    outcome.same = manifests[0].read_bytes() == manifests[1].read_bytes()
    return outcome


def start(here: Path, name: str, *, resume: bool, images: int | None = None) -> Forked:
    """Start a run, or go on with it."""
    arguments = ["run", "ring.toml", "--device", "cpu", "--out", name]
    arguments += ["--resume"] if resume else []
    arguments += ["--set", f"run.images={images}"] if images else []
    return Forked(arguments, here, {"GANFORGE_CACHE": str(here / "cache"), "GANFORGE_PLUGINS": ""})


def look(checkpoints: Path, outcome: Outcome) -> None:
    """Read all that a killed run left, and note what came of it."""
    outcome.kills += 1
    outcome.saving += any(name.startswith(".images-") for name in os.listdir(checkpoints))
    for path in list_checkpoints(checkpoints):
        outcome.read += 1
        try:
            load_checkpoint(path)
        except CheckpointError as error:
            outcome.unreadable.append(str(error))
    newest, _, _ = load_newest(checkpoints)
    lines = (checkpoints.parent / "metrics.jsonl").read_bytes().split(b"\n")[:-1]
    outcome.lost.append(max(0, json.loads(lines[-1])["images"] - newest.facts["images"]))


def main() -> None:
    """Kill, and say what came of it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--times", type=int, default=50, help="how often the run is killed")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        outcome = kill_again_and_again(Path(folder), chosen.times, chosen.seed)
    sys.stdout.write(
        f"{outcome.kills} kills, {outcome.saving} of them in the middle of saving; {outcome.read} checkpoints read, "
        f"{len(outcome.unreadable)} unreadable; lost at most {max(outcome.lost)} images, where {INTERVAL} are between "
        f"checkpoints; the end is {'the same to the bit' if outcome.same else 'ANOTHER'}\n"
    )
    sys.stdout.writelines(f"{text}\n" for text in outcome.unreadable)
    sys.exit(not outcome.good)


if __name__ == "__main__":
    main()
