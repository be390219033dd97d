"""Games that are played, saved and resumed by several processes together."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from support import ToySource, recipe_of

from ganforge.assemble import build_runner
from ganforge.checkpoint import Checkpoint, load, save
from ganforge.data import DataSpec
from ganforge.runner import Runner
from ganforge.sampler import Sampler
from ganforge.session import place


def play(runner: Runner, spec: DataSpec, rounds: int) -> None:
    """Play on until so many rounds were played in all, each process on its own rows, as a session does."""
    source = ToySource(spec)
    sampler = Sampler(runner.seed, len(source))
    while runner.round < rounds:
        rows = runner.rows // runner.microbatches
        batch = source.batch(np.concatenate([sampler.at(runner.images + start, rows) for start in runner.starts]))
        runner.play_round(place(batch, runner.accelerator.device))


def runner_of(case: Mapping[str, Any]) -> Runner:
    """The runner of a case, on whatever processes there are."""
    changes = {
        f"run__{key}": case[key] for key in ("batch", "microbatches", "sync_batchnorm", "batches") if key in case
    }
    recipe = recipe_of(case["game"], seed=3, **changes)
    return build_runner(recipe, DataSpec.from_json(case["spec"]), Accelerator(cpu=True))


def keep(folder: Path, played: Runner) -> None:
    """Save a runner's state and readings: the main process writes."""
    tensors, facts = played.state()
    tensors |= {f"readings/{name}": value for name, value in played.game.readings().items()}
    if played.accelerator.is_main_process:
        save(folder, played.images, Checkpoint(tensors, facts))
    played.accelerator.wait_for_everyone()


def run_case(case: Mapping[str, Any], folder: Path, begun: Path | None = None) -> None:
    """Play a case to its end, saving at each cut; then once more from each cut, those of `begun` where it is given."""
    spec = DataSpec.from_json(case["spec"])
    whole, images = runner_of(case), {}
    for cut in case.get("cuts", ()):
        play(whole, spec, cut)
        images[cut] = whole.images
        keep(folder / "cuts", whole)
    play(whole, spec, case["rounds"])
    keep(folder / "whole", whole)
    for cut in case.get("cuts", ()):
        torch.manual_seed(cut)
        resumed = runner_of(case)
        found = load((begun or folder) / "cuts" / f"images-{images[cut]:012d}")
        resumed.restore(found.tensors, found.facts)
        play(resumed, spec, case["rounds"])
        keep(folder / f"resumed-{cut}", resumed)


def run_cases(cases: Mapping[str, Any], folder: Path, begun: Path | None = None) -> None:
    """Play cases one after the other; each has a folder of its own."""
    np.random.seed(Accelerator(cpu=True).process_index)  # processes differ in what must not matter
    for name, case in cases.items():
        run_case(case, folder / name, None if begun is None else begun / name)
