"""Count the ATen operations of an average round: a measure of overhead that is free of noise.

    python benchmarks/operations.py RECIPE... [--set KEY=VALUE]...

Each recipe under recipes/ notes the count in its head, as `# operations per round: N`, and a test fails where it has
grown by more than 5 %. Lazy turns are weighted by how often they are due. Everything is counted that the runner does on
the CPU in float32 from batch to averaged weights: forwards, backwards, random draws, guard, optimizers. The batch is 4
images of noise; a larger one takes a few operations more, since random numbers are drawn in blocks of 32 samples.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from ganforge.api.data import DataSpec
from ganforge.errors import DataError
from ganforge.plugins.loading import load_catalogue
from ganforge.recipes.recipe import Recipe, read_recipe
from ganforge.storage.folders import cache_folder
from ganforge.training.build import build_runner, keep_freed_memory
from ganforge.training.runner import Runner

BATCH = 4


class Counter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts every operation that reaches a backend."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.operations = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Count one and let it pass."""
        self.operations += 1
        return func(*args, **(kwargs or {}))


def operations_per_round(runner: Runner, batch: dict[str, Tensor]) -> float:
    """Return the mean over a period of the turns; the first round, when optimizers make their state, is not counted.

    What a turn takes does not depend on who else has one: a round in which all are due is counted, and 1 - 1 / k of
    what a turn of every k rounds takes is taken off again.
    """
    runner.round = 0  # all turns are due
    runner.play_round(batch)
    runner.round = 0
    with Counter() as counter:
        runner.play_round(batch)
    total = float(counter.operations)
    for turn in runner.turns:
        if turn.every > 1 and turn.due(0, runner.images):
            with Counter() as counter:
                runner.take(turn, batch)
            total -= counter.operations * (1 - 1 / turn.every)
    return total


def count(recipe: Recipe) -> float:
    """Return the operations per round of a recipe at the end of its run, with data of noise in the shape of its own."""
    spec = _spec(recipe)
    keep_freed_memory()  # as `ganforge run` does
    runner = build_runner(recipe, spec, Accelerator(cpu=True))
    runner.images = recipe.run.images
    image = torch.rand(BATCH, *spec.shape).mul(2).sub(1)
    batch = {"image": image.contiguous(memory_format=torch.channels_last) if image.dim() == 4 else image}
    if spec.classes:
        batch["label"] = torch.arange(BATCH) % spec.classes
    if spec.conditions:
        batch["label"] = torch.rand(BATCH, spec.conditions).mul(2).sub(1)
    return operations_per_round(runner, batch)


def _spec(recipe: Recipe) -> DataSpec:
    try:
        return recipe.data.open(cache_folder()).spec
    except DataError:  # images that are not on this machine
        said = recipe.data.model_dump()
        classes = 10 if said.get("labels") else 0
        return DataSpec((3, said["resolution"], said["resolution"]), classes)


def load(path: Path, overrides: tuple[str, ...] = ()) -> Recipe:
    """Read a recipe as it is counted: batches of 4, float32."""
    fixed = (f"run.batch={BATCH}", "run.batches=[]", "run.microbatches=1", 'run.precision="no"')
    return read_recipe(path, load_catalogue(), (*overrides, *fixed))


def main() -> None:
    """Count and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipes", nargs="+", type=Path)
    parser.add_argument("--set", dest="overrides", action="append", default=[], metavar="KEY=VALUE")
    options = parser.parse_args()
    for path in options.recipes:
        print(f"{path}: # operations per round: {count(load(path, tuple(options.overrides))):,.0f}")


if __name__ == "__main__":
    main()
