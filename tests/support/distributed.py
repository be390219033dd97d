"""Games that are played, saved and resumed by several processes together."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator

from ganforge.api.data import DataSpec, to_device
from ganforge.api.sampler import Sampler
from ganforge.distributed.consistency import check_ranks
from ganforge.distributed.world import World
from ganforge.plugins.catalogue import Catalogue
from ganforge.plugins.loading import load_catalogue
from ganforge.recipes.recipe import Recipe
from ganforge.storage.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from ganforge.training.build import build_runner
from ganforge.training.runner import Runner
from support.toys import ToySource, changed, recipe_of

FIELDS = ("batch", "microbatches", "sync_batchnorm", "batches")
_ALL: list[Catalogue] = []  # with plugins, read once


def play(runner: Runner, spec: DataSpec, rounds: int) -> None:
    """Play on until so many rounds were played in all, each process on its own rows, as a session does."""
    source = ToySource(spec)
    sampler = Sampler(runner.seed, len(source))
    while runner.round < rounds:
        rows = runner.rows // runner.microbatches
        batch = source.batch(np.concatenate([sampler.at(runner.images + start, rows) for start in runner.starts]))
        runner.play_round(to_device(batch, runner.accelerator.device))


def runner_of(case: Mapping[str, Any]) -> Runner:
    """The runner of a case, on whatever processes there are."""
    run = {f"run__{key}": case[key] for key in FIELDS if key in case}
    recipe = recipe_of(**run)
    if case.get("plugins", False):
        _ALL[:] = _ALL or [load_catalogue()]
        table = changed(recipe.model_dump(mode="json"), {"game": case["game"]})
        recipe = Recipe.model_validate(table, context={"catalogue": _ALL[0]})
    else:
        recipe = recipe_of(case["game"], **run)
    return build_runner(recipe, DataSpec.from_json(case["spec"]), Accelerator(cpu=True))


def keep(folder: Path, played: Runner) -> None:
    """See that all processes hold the same, and save it with the readings: the main process writes."""
    tensors, facts = played.state()
    check_ranks(World(played.accelerator), tensors, played.images)
    tensors |= {f"readings/{name}": value for name, value in played.game.readings().items()}
    if played.accelerator.is_main_process:
        save_checkpoint(folder, played.images, Checkpoint(tensors, facts))
    played.accelerator.wait_for_everyone()


def resume(case: Mapping[str, Any], checkpoint: Path, folder: Path) -> None:
    """Play on from a checkpoint to the end, and save."""
    torch.manual_seed(len(str(folder)))
    resumed, found = runner_of(case), load_checkpoint(checkpoint)
    resumed.restore(found.tensors, found.facts)
    play(resumed, DataSpec.from_json(case["spec"]), case["rounds"])
    keep(folder, resumed)


def run_cases(cases: Mapping[str, Any], folder: Path) -> None:
    """Play each case to its end, saving at each cut; then once more from each cut. Each has a folder of its own."""
    np.random.seed(Accelerator(cpu=True).process_index)  # processes differ in what must not matter
    for name, case in cases.items():
        whole, images = runner_of(case), {}
        for cut in case.get("cuts", ()):
            play(whole, DataSpec.from_json(case["spec"]), cut)
            images[cut] = whole.images
            keep(folder / name / "cuts", whole)
        play(whole, DataSpec.from_json(case["spec"]), case["rounds"])
        keep(folder / name / "whole", whole)
        for cut in case.get("cuts", ()) if case.get("resumes", True) else ():
            resume(case, folder / name / "cuts" / f"images-{images[cut]:012d}", folder / name / f"resumed-{cut}")


def resume_cases(cases: Mapping[str, Any], begun: Path, folder: Path) -> None:
    """Go on with each case from the first checkpoint that others saved while they played it."""
    for name, case in cases.items():
        resume(case, min((begun / name / "cuts").iterdir()), folder / name / "whole")
