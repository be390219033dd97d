"""Processes that play a game together: run as `python -m support_distributed ORDER.json` by each of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from support import ToySource, runner_of

from ganforge.checkpoint import Checkpoint, load, save
from ganforge.data import DataSpec
from ganforge.launch import environment_of, free_port
from ganforge.runner import Runner
from ganforge.sampler import Sampler
from ganforge.session import place

TESTS = Path(__file__).parent


def play(runner: Runner, spec: DataSpec, rounds: int) -> None:
    """Play on until so many rounds were played in all, each process on its own rows, as a session does."""
    source = ToySource(spec)
    sampler = Sampler(runner.seed, len(source))
    while runner.round < rounds:
        batch = source.batch(sampler.at(runner.images + runner.first_row, runner.rows))
        runner.play_round(place(batch, runner.accelerator.device))


def run_case(case: Mapping[str, Any], folder: Path) -> None:
    """Play a case to its end, saving at each cut; then once more from each cut. Saves into `folder`."""
    spec = DataSpec.from_json(case["spec"])

    def runner() -> Runner:
        made = runner_of(case["game"], spec, batch=case["batch"], microbatches=case.get("microbatches", 1))
        made.batches = (*made.batches, *map(tuple, case.get("batches", ())))
        return made

    def keep(place_: Path, played: Runner) -> None:
        tensors, facts = played.state()
        tensors |= {f"readings/{name}": value for name, value in played.game.readings().items()}
        if played.accelerator.is_main_process:
            save(place_, played.images, Checkpoint(tensors, facts))
        played.accelerator.wait_for_everyone()

    whole, images = runner(), {}
    for cut in case.get("cuts", ()):
        play(whole, spec, cut)
        images[cut] = whole.images
        keep(folder / "cuts", whole)
    play(whole, spec, case["rounds"])
    keep(folder / "whole", whole)
    for cut in case.get("cuts", ()):
        torch.manual_seed(cut)
        resumed = runner()
        found = load(folder / "cuts" / f"images-{images[cut]:012d}")
        resumed.restore(found.tensors, found.facts)
        play(resumed, spec, case["rounds"])
        keep(folder / f"resumed-{cut}", resumed)


def main() -> None:
    order = json.loads(Path(sys.argv[1]).read_text())
    torch.set_num_threads(1)
    np.random.seed(int(os.environ.get("RANK", "0")))  # processes differ in what must not matter
    for name, case in order.items():
        run_case(case, Path(sys.argv[1]).parent / name)
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def play_in_processes(cases: Mapping[str, Any], folder: Path, processes: int, timeout: float = 240) -> None:
    """Play cases in so many processes of their own; results are in `folder/CASE/whole` and `folder/CASE/resumed-N`."""
    folder.mkdir(parents=True)
    (folder / "order.json").write_text(json.dumps(cases))
    port = free_port()
    base = {**os.environ, "PYTHONPATH": str(TESTS), "OMP_NUM_THREADS": "1"}
    children = [
        subprocess.Popen(
            [sys.executable, "-m", "support_distributed", str(folder / "order.json")],
            env={**base, **(environment_of(rank, processes, port) if processes > 1 else {})},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(processes)
    ]
    try:
        errors = [child.communicate(timeout=timeout)[1] for child in children]
    finally:
        for child in children:
            child.kill()
    assert [child.returncode for child in children] == [0] * processes, "\n".join(errors)


if __name__ == "__main__":
    main()
