"""What many tests need: toy data, and a quick way from component classes to a runner."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from PIL import Image
from torch import Tensor

from ganforge.api.data import Batch, DataSpec, Source, to_device
from ganforge.recipes.recipe import Recipe
from ganforge.training.build import build_runner
from ganforge.training.runner import Runner
from support.installed import catalogue


class ToySource(Source):
    """Images of noise, the same for the same shape."""

    def __init__(self, spec: DataSpec, length: int = 100) -> None:
        self.spec, self.length, self.fingerprint = spec, length, f"toy-{spec}"
        numbers = np.random.Generator(np.random.PCG64(7))
        self.samples = numbers.integers(0, 256, (length, *spec.shape), dtype=np.uint8)

    def __len__(self) -> int:
        return self.length

    def batch(self, indices: np.ndarray) -> Batch:
        batch = {"image": torch.from_numpy(self.samples[indices])}
        if len(self.spec.shape) == 1:
            batch["image"] = batch["image"].float() / 64 - 2
        if self.spec.classes:
            batch["label"] = torch.from_numpy(indices % self.spec.classes)
        return batch

    def show(self, samples: Tensor) -> Image.Image:
        return Image.new("L", (8, 8))


def gan_table(**changes: Any) -> dict[str, Any]:
    """A small gan as a recipe's table; `changes` replace entries by their path, with __ for dots."""
    table: dict[str, Any] = {
        "kind": "gan",
        "loss": {"kind": "non-saturating"},
        "generator": {
            "network": {"kind": "mlp", "latent": 8, "width": 32},
            "optimizer": {"lr": 2e-3},
            "ema": {"half_life_images": 500},
        },
        "discriminator": {"network": {"kind": "mlp", "width": 32}, "optimizer": {"lr": 2e-3}},
    }
    return changed(table, changes)


def changed(table: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of a table with entries replaced by their path, with __ for dots."""
    result: dict[str, Any] = {
        key: changed(value, {}) if isinstance(value, Mapping) else value for key, value in table.items()
    }
    for path, value in changes.items():
        *parents, last = path.split("__")
        place_ = result
        for parent in parents:
            place_ = place_.setdefault(parent, {})
        place_[last] = value
    return result


def recipe_of(game: Mapping[str, Any] | None = None, **changes: Any) -> Recipe:
    """A recipe about the given game; `changes` as for `gan_table`, on the whole recipe."""
    table = {
        "seed": 3,
        "data": {"kind": "digits"},
        "run": {"images": 256, "batch": 16, "log_every_images": 64},
        "game": game or gan_table(),
        "tracking": {"kind": "none"},
    }
    return Recipe.model_validate(changed(table, changes), context={"catalogue": catalogue()})


def runner_of(game: Mapping[str, Any], spec: DataSpec, batch: int = 16, microbatches: int = 1, seed: int = 3) -> Runner:
    """A runner for the given game on one process on the CPU."""
    recipe = recipe_of(game, seed=seed, run__batch=batch, run__microbatches=microbatches)
    return build_runner(recipe, spec, Accelerator(cpu=True))


def batches(runner: Runner, source: Source, count: int) -> list[Batch]:
    """The next `count` batches of this process as a session would give them."""
    rows = [np.arange(i * runner.batch, (i + 1) * runner.batch) % len(source) for i in range(count)]
    return [to_device(source.batch(row), runner.accelerator.device) for row in rows]
