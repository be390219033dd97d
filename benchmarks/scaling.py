"""Images per second of one process and of several with the same global batch, measured by turns.

    python benchmarks/scaling.py [--processes 2] [--rounds 20] [--repeats 5] [--batch 32] [stylegan2 dcgan ...]

All processes are started once. In each repeat the first one plays alone while the others wait, then all play together;
each process has one thread, so that a process stands for a device. Prints medians, the ratio of neighbouring
measurements (noise of the machine hits both alike), and what a round sends: the bytes of its gradients and tallies.
Where the machine has fewer idle cores than processes, the ratio says something about the machine alone.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator

from ganforge.api.data import DataSpec
from ganforge.distributed.launch import free_port, process_environment
from ganforge.plugins.loading import load_catalogue
from ganforge.recipes.recipe import Recipe
from ganforge.training.build import build_runner
from ganforge.training.runner import Runner

ADAM = {"lr": 2e-3, "betas": [0.0, 0.99]}
STYLE = {"kind": "stylegan2", "channel_base": 1024, "channel_max": 64}
GAMES: Mapping[str, Any] = {
    "stylegan2": {
        "kind": "gan",
        "loss": "non-saturating",
        "generator": {"network": {**STYLE, "latent": 64}, "optimizer": ADAM, "ema": {"half_life_images": 10_000}},
        "discriminator": {"network": STYLE, "optimizer": ADAM, "regularizers": [{"kind": "r1", "every": 16}]},
    },
    "dcgan": {
        "kind": "gan",
        "loss": "non-saturating",
        "generator": {"network": {"kind": "dcgan", "latent": 100, "width": 32}, "optimizer": ADAM},
        "discriminator": {"network": {"kind": "dcgan", "width": 32}, "optimizer": ADAM},
    },
}
SPEC = DataSpec((3, 32, 32))


def make(name: str, batch: int, accelerator: Accelerator) -> Runner:
    """Make the runner of a game."""
    table = {
        "seed": 1,
        "data": {"kind": "digits"},
        "run": {"images": 10_000_000, "batch": batch},
        "game": GAMES[name],
        "tracking": {"kind": "none"},
    }
    recipe = Recipe.model_validate(table, context={"catalogue": load_catalogue(only=[])})
    return build_runner(recipe, SPEC, accelerator)


class Alone:
    """An Accelerator's view of one process where there are more."""

    num_processes, process_index, is_main_process = 1, 0, True

    def __init__(self, accelerator: Accelerator) -> None:
        self.device, self.autocast, self.backward = accelerator.device, accelerator.autocast, accelerator.backward


def speed(runner: Runner, rounds: int) -> float:
    """Return images per second, of all processes together."""
    rows = torch.from_numpy(np.random.Generator(np.random.PCG64(runner.starts[0])).random((runner.rows, *SPEC.shape)))
    batch = {"image": rows.float() * 2 - 1}
    began = time.perf_counter()
    for _ in range(rounds):
        runner.play_round(batch)
    return rounds * runner.batch / (time.perf_counter() - began)


def sent(runner: Runner) -> float:
    """Return the bytes of gradients that a round without lazy turns reduces."""
    turns = [turn for turn in runner.turns if not turn.lazy]
    numbers = sum(p.numel() for turn in turns for p in runner.players[turn.player].parameters)
    return 4.0 * numbers


def measure(names: Sequence[str], rounds: int, repeats: int, batch: int) -> None:
    """Be one of the processes; the main one prints."""
    torch.set_num_threads(1)
    accelerator = Accelerator(cpu=True)
    for name in names:
        together = make(name, batch, accelerator)
        alone = make(name, batch, Alone(accelerator)) if accelerator.is_main_process else None
        speed(together, 2)
        found: list[tuple[float, float]] = []
        for _ in range(repeats):
            accelerator.wait_for_everyone()
            one = speed(alone, rounds) if alone is not None else 0.0
            accelerator.wait_for_everyone()
            found.append((one, speed(together, rounds)))
        if accelerator.is_main_process:
            ones, alls = zip(*found, strict=True)
            ratio = statistics.median(all_ / one for one, all_ in found)
            ratios = ", ".join(f"{all_ / one:.2f}" for one, all_ in found)
            print(
                f"{name}: 1 process {statistics.median(ones):.1f} images/s, {accelerator.num_processes} processes "
                f"{statistics.median(alls):.1f}; ratio {ratio:.2f} ({ratios}); {sent(together) / 1e6:.2f} MB a round"
            )
    torch.distributed.destroy_process_group()


def main() -> None:
    """Start the processes, or be one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("games", nargs="*", default=[], help=f"of {', '.join(GAMES)} [default: all]")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--batch", type=int, default=32)
    asked = parser.parse_args()
    names = asked.games or list(GAMES)
    if "RANK" in os.environ:
        measure(names, asked.rounds, asked.repeats, asked.batch)
        return
    port = free_port()
    children = [
        subprocess.Popen(
            [sys.executable, *sys.argv],
            env={**os.environ, "OMP_NUM_THREADS": "1", **process_environment(rank, asked.processes, port)},
        )
        for rank in range(asked.processes)
    ]
    codes = [child.wait() for child in children]
    if any(codes):
        sys.exit(json.dumps(codes))


if __name__ == "__main__":
    main()
