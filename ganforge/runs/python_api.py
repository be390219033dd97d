"""The Python API: what a program or a notebook does with recipes and runs, listed once."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

import torch

from ganforge.distributed.world import World
from ganforge.errors import (
    BrokenPluginError,
    CheckpointError,
    DivergedError,
    LostError,
    MemoryShortageError,
    PluginError,
    RecipeError,
    argument,
)
from ganforge.plugins.catalogue import Catalogue
from ganforge.plugins.loading import load_catalogue
from ganforge.recipes.changes import change_recipe
from ganforge.recipes.recipe import Recipe, read_recipe
from ganforge.runs import comparison
from ganforge.runs.evaluation import Evaluation, EvaluationRequest
from ganforge.runs.evaluator import Evaluator
from ganforge.runs.progress_bar import ProgressBar
from ganforge.runs.trained_run import TrainedRun
from ganforge.storage.folders import new_run
from ganforge.training.build import make_accelerator
from ganforge.training.callbacks.callback import Callback
from ganforge.training.reporter import Reporter, SilentReporter
from ganforge.training.run import train_run
from ganforge.training.session import Session
from ganforge.training.signals import Signals

__all__ = [
    "BrokenPluginError",
    "Callback",
    "Catalogue",
    "CheckpointError",
    "DivergedError",
    "Evaluation",
    "EvaluationRequest",
    "Evaluator",
    "LostError",
    "MemoryShortageError",
    "PluginError",
    "ProgressBar",
    "Recipe",
    "Reporter",
    "Session",
    "SilentReporter",
    "TrainedRun",
    "change_recipe",
    "compare",
    "load",
    "load_catalogue",
    "read_recipe",
    "train",
]


def train(
    recipe: Recipe | Path | str,
    folder: Path | str | None = None,
    *,
    resume: bool = False,
    reporter: Reporter | None = None,
    callbacks: Sequence[Callback] = (),
    device: str = "auto",
    catalogue: Catalogue | None = None,
) -> TrainedRun:
    """Train what a recipe describes, and return the run.

    Ctrl-C, or a notebook's stop button, asks for an end after the round, with a checkpoint; a second one ends at once.

    Args:
        recipe: as `read_recipe` gives it, or the file.
        folder: of the run; None = a new one below `runs/`.
        resume: go on with the run in `folder`, exactly where it stopped.
        reporter: is told how it goes; None = a progress bar.
        callbacks: what else is done between rounds.
        device: "auto", "cpu" or "cuda".
        catalogue: the installed components; None = as they are now.

    Returns:
        The run, whose `status` says how it ended: a monitor's finding ends it as "failed", a signal as "killed".

    Raises:
        GanforgeError: whatever keeps it from training, or ended it, in words.
    """
    if resume and folder is None:
        raise RecipeError(f"{argument('resume', True)} goes on with a run: name it with {argument('folder')}")
    components = load_catalogue() if catalogue is None else catalogue
    name = recipe.game.kind if isinstance(recipe, Recipe) else Path(recipe).stem
    played = recipe if isinstance(recipe, Recipe) else read_recipe(recipe, components)
    accelerator = make_accelerator(device, played.run.precision)
    main = accelerator.is_main_process
    place = World(accelerator).from_main(lambda: new_run(name)) if folder is None else Path(folder)
    own = ProgressBar(played.run.images) if reporter is None else nullcontext(reporter)
    with Signals(talks=main) as signals, own as told:
        train_run(
            played,
            place,
            catalogue=components,
            accelerator=accelerator,
            reporter=told if main else SilentReporter(),
            signals=signals,
            callbacks=callbacks,
            resume=resume,
        )
    if torch.distributed.is_initialized():
        World(accelerator).any(False)  # nobody reads the run before all have ended it
    return TrainedRun(place, components)


def load(folder: Path | str, catalogue: Catalogue | None = None) -> TrainedRun:
    """Return the run in a folder, finished or not; a `RecipeError` that names the nearest one where there is none."""
    return TrainedRun(folder, catalogue)


def compare(*runs: TrainedRun) -> comparison.Comparison:
    """Set runs side by side: what differs in their recipes, what came out, several seeds as one."""
    return comparison.compare([run.summary() for run in runs])
