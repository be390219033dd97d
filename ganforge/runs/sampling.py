"""From a run's folder to a generator that samples: the data set need not be there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ganforge.api.data import DataSpec
from ganforge.api.dice import BLOCK, Roll, roll_dice
from ganforge.api.game import Game
from ganforge.api.schedule import set_clocks
from ganforge.errors import CheckpointError, GanforgeError, RecipeError, argument
from ganforge.evaluation.subject import evaluation_mode
from ganforge.plugins.catalogue import Catalogue
from ganforge.recipes.recipe import Recipe, read_recipe
from ganforge.runs.labels import Label, check_labels
from ganforge.storage.layout import RunLayout
from ganforge.storage.lookup import choose_checkpoint, explain_no_run
from ganforge.training.build import build_game, require_device
from ganforge.training.runner import strip_prefix

BATCH = 64  # samples made at a time


@dataclass(frozen=True)
class LoadedGame:
    """A game as a run left it, ready to sample.

    Args:
        run: its folder.
        recipe: resolved.
        game: on `device`, in evaluation mode, averaged weights in place where they were asked for.
        spec: of the data that it was trained on.
        images: shown when the checkpoint was saved.
        averaged: players whose averaged weights are in place.
        device: that the game is on.
        notices: what a person should know, such as checkpoints that were passed over.
    """

    run: Path
    recipe: Recipe
    game: Game
    spec: DataSpec
    images: int
    averaged: tuple[str, ...]
    device: torch.device
    notices: tuple[str, ...] = ()


def choose_device(name: str) -> torch.device:
    """Return the device called "auto", "cpu" or "cuda".

    Raises:
        GanforgeError: no device has that name, or it is not there.
    """
    require_device(name)
    return torch.device("cuda" if torch.cuda.is_available() and name != "cpu" else "cpu")


def load_game(
    run: Path, catalogue: Catalogue, device: torch.device, *, checkpoint: str | None = None, live: bool = False
) -> LoadedGame:
    """Build the game of a run and give it the weights of one of its checkpoints.

    Args:
        run: the folder of a run.
        catalogue: the installed components.
        device: to sample on.
        checkpoint: images shown when it was saved, "best", or its folder; None = the newest one that is whole.
        live: the weights as they were trained, without averages.

    Raises:
        GanforgeError: the folder is of no run, or the checkpoint is missing, damaged or of another game.
    """
    file = RunLayout(run).recipe
    if not file.is_file():
        raise RecipeError(explain_no_run(run))
    notices: list[str] = []
    recipe = read_recipe(file, catalogue, (), notices.append)
    content, place, passed_over = choose_checkpoint(run, checkpoint)
    notices += [f"passed over: {reason}" for reason in passed_over]
    try:
        spec = DataSpec.from_json(content.facts["spec"])
        with torch.random.fork_rng(devices=[]):  # who samples keeps the global generator as it was
            game = build_game(recipe.game, spec, recipe.seed, device)
        game.load_state_dict(strip_prefix("game/", content.tensors))
        averages = {name: strip_prefix(f"player/{name}/ema/", content.tensors) for name in recipe.game.players()}
        averaged = [name for name, average in averages.items() if average and not live]
        for name in averaged:
            game.get_submodule(name).load_state_dict(averages[name])
    except (RuntimeError, KeyError, TypeError) as error:
        reason = " ".join(str(error).split())
        raise CheckpointError(
            f"{place} does not fit {file} ({reason[:300]}); was the recipe changed, or a plugin updated?"
        ) from error
    game.eval().requires_grad_(False)
    images = int(content.facts["images"])
    set_clocks(game, images)
    return LoadedGame(run, recipe, game, spec, images, tuple(averaged), device, tuple(notices))


def check_truncation(truncation: float) -> None:
    """Refuse, by a `RecipeError`, what is no truncation: expected in (0, 1]."""
    if not 0 < truncation <= 1:
        raise RecipeError(f"truncation {truncation} is out of range: expected above 0 and at most 1 (1 = none)")


def draw_samples(
    trained: LoadedGame, count: int, *, seed: int = 0, labels: Sequence[Label] | None = None, truncation: float = 1.0
) -> Iterator[Tensor]:
    """Yield `count` samples in batches [b, *shape], float32, on the CPU; the first k of them do not depend on `count`.

    Args:
        trained: the game.
        count: how many, at least 1.
        seed: of the latents and whatever else is drawn at random.
        labels: classes or conditions, used in turn: sample i is of `labels[i % len(labels)]`; None draws them evenly.
        truncation: in (0, 1]; less variety, more likeness.

    Raises:
        RecipeError: an argument is out of its range.
        GanforgeError: a sample is NaN or infinite.
    """
    check_truncation(truncation)
    if count < 1:
        raise RecipeError(f"{count} samples were asked for; expected 1 or more")
    if labels is not None and not trained.game.draws_labels:
        raise RecipeError(
            f"game '{trained.recipe.game.kind}' makes samples of no given label; leave {argument('labels')} out"
        )
    wanted = None if labels is None else check_labels(labels, trained.spec)
    total = -(-count // BLOCK) * BLOCK
    for start in range(0, count, BATCH):
        rows = min(BATCH, count - start)
        given = None
        if wanted is not None:
            taken = [wanted[index % len(wanted)] for index in range(start, start + rows)]
            given = torch.tensor(taken, device=trained.device)
        with evaluation_mode(trained.game), torch.no_grad():
            roll_dice(trained.game, Roll(seed, "sample", start=start, rows=rows, total=total))
            samples = trained.game.sample(rows, given, truncation).float().cpu()
        if not bool(torch.isfinite(samples).all()):
            raise GanforgeError(
                f"samples {start} to {start + rows - 1} hold NaN or infinity: these weights are broken; choose an "
                f"earlier one with {argument('checkpoint')}"
            )
        yield samples
