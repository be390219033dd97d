"""From a run's folder to a generator that samples: the data set need not be there."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ganforge.assemble import build_game
from ganforge.checkpoint import PREFIX, Checkpoint, load, load_newest, saved
from ganforge.data import DataSpec
from ganforge.dice import BLOCK, Roll, roll_dice
from ganforge.errors import CheckpointError, GanforgeError, RecipeError
from ganforge.exam import evaluating
from ganforge.folders import RUNS
from ganforge.game import Game
from ganforge.plugins import Catalogue
from ganforge.recipe import Recipe, read_recipe
from ganforge.runner import below

RECIPE, CHECKPOINTS = "recipe.toml", "checkpoints"
BATCH = 64  # samples made at a time


@dataclass(frozen=True)
class Trained:
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


def pick_device(name: str) -> torch.device:
    """Return the device called "auto", "cpu" or "cuda".

    Raises:
        GanforgeError: it is not there.
    """
    there = torch.cuda.is_available()
    if name == "cuda" and not there:
        raise GanforgeError("--device cuda: PyTorch sees no CUDA device here; use --device cpu, or check the driver")
    return torch.device("cuda" if there and name != "cpu" else "cpu")


def load_trained(
    run: Path,
    catalogue: Catalogue,
    device: torch.device,
    *,
    checkpoint: str | None = None,
    live: bool = False,
) -> Trained:
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
    if not (run / RECIPE).is_file():
        raise RecipeError(_no_run(run))
    notices: list[str] = []
    recipe = read_recipe(run / RECIPE, catalogue, (), notices.append)
    content, place, passed_over = _choose(run, checkpoint)
    notices += [f"passed over: {reason}" for reason in passed_over]
    try:
        spec = DataSpec.from_json(content.facts["spec"])
        game = build_game(recipe.game, spec, recipe.seed, device)
        game.load_state_dict(below("game/", content.tensors))
        averages = {name: below(f"player/{name}/ema/", content.tensors) for name in recipe.game.players()}
        averaged = [name for name, average in averages.items() if average and not live]
        for name in averaged:
            game.get_submodule(name).load_state_dict(averages[name])
    except (RuntimeError, KeyError, TypeError) as error:
        reason = " ".join(str(error).split())
        raise CheckpointError(
            f"{place} does not fit {run / RECIPE} ({reason[:300]}); was the recipe changed, or a plugin updated?"
        ) from error
    game.eval().requires_grad_(False)
    images = int(content.facts["images"])
    return Trained(run, recipe, game, spec, images, tuple(averaged), device, tuple(notices))


def draw(
    trained: Trained, count: int, *, seed: int = 0, labels: Sequence[int] | None = None, truncation: float = 1.0
) -> Iterator[Tensor]:
    """Yield `count` samples in batches [b, *shape], float32, on the CPU; the first k of them do not depend on `count`.

    Args:
        trained: the game.
        count: how many, at least 1.
        seed: of the latents and whatever else is drawn at random.
        labels: classes, used in turn: sample i is of class `labels[i % len(labels)]`; None draws them evenly.
        truncation: in (0, 1]; less variety, more likeness.

    Raises:
        RecipeError: an argument is out of its range.
        GanforgeError: a sample is NaN or infinite.
    """
    if not 0 < truncation <= 1:
        raise RecipeError(f"truncation {truncation} is out of range: expected above 0 and at most 1 (1 = none)")
    if count < 1:
        raise RecipeError(f"{count} samples were asked for; expected 1 or more")
    total = -(-count // BLOCK) * BLOCK
    for start in range(0, count, BATCH):
        rows = min(BATCH, count - start)
        given = None
        if labels is not None:
            taken = [labels[index % len(labels)] for index in range(start, start + rows)]
            given = torch.tensor(taken, device=trained.device)
        with evaluating(trained.game), torch.no_grad():
            roll_dice(trained.game, Roll(seed, "sample", start=start, rows=rows, total=total))
            samples = trained.game.sample(rows, given, truncation).float().cpu()
        if not bool(torch.isfinite(samples).all()):
            raise GanforgeError(
                f"samples {start} to {start + rows - 1} hold NaN or infinity: these weights are broken; choose an "
                "earlier checkpoint with --checkpoint"
            )
        yield samples


def read_labels(text: str, spec: DataSpec) -> list[int]:
    """Return the classes that `text` names: indices or names, with commas between.

    Raises:
        RecipeError: the data have no classes, or none of that name or index.
    """
    if not spec.classes:
        raise RecipeError("labels were asked for, and this run was trained on data without labels; leave --labels out")
    if text.strip() in spec.class_names:  # a name may hold commas
        return [spec.class_names.index(text.strip())]
    return [_label(part.strip(), spec) for part in text.split(",")]


def _label(text: str, spec: DataSpec) -> int:
    if text in spec.class_names:
        return spec.class_names.index(text)
    if text.isdecimal() and int(text) < spec.classes:
        return int(text)
    wanted = f"0 to {spec.classes - 1}"
    if not spec.class_names:
        raise RecipeError(f"there is no class {text!r}: expected {wanted}")
    near = [] if text.isdecimal() else difflib.get_close_matches(text, spec.class_names, 1, 0.5)
    some = ", ".join(spec.class_names[:10]) + (", ..." if spec.classes > 10 else "")
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise RecipeError(f"there is no class {text!r}{hint}; expected {wanted}, or a name of: {some}")


def _choose(run: Path, wanted: str | None) -> tuple[Checkpoint, Path, list[str]]:
    folder = run / CHECKPOINTS
    places = saved(folder)
    if wanted is not None and (Path(wanted) / "manifest.json").is_file():
        return load(Path(wanted)), Path(wanted), []
    if not places:
        raise CheckpointError(f"{run} has no checkpoint yet; one is saved when a run ends, is stopped, or now and then")
    if wanted is None:
        return load_newest(folder)
    passed_over: list[str] = []
    if wanted == "best":
        newest, _, passed_over = load_newest(folder)
        images = _images_of_best(run, newest)
    else:
        digits = wanted.replace(",", "").replace("_", "")
        images = int(digits) if digits.isdecimal() else -1
    place = folder / f"{PREFIX}{images:012d}"
    if place not in places:
        have = ", ".join(f"{int(path.name.removeprefix(PREFIX)):,}" for path in places)
        raise CheckpointError(f"{run} has no checkpoint {wanted!r}; it has those at {have} images, newest last")
    return load(place), place, passed_over


def _images_of_best(run: Path, newest: Checkpoint) -> int:
    best = newest.facts["best"]
    if not best:
        raise CheckpointError(
            f"{run} kept no best checkpoint: no metric was measured, or its recipe names none in checkpoints.best; "
            "leave --checkpoint out for the newest"
        )
    return int(best[1])


def _no_run(run: Path) -> str:
    found = sorted(RUNS.glob(f"*/{RECIPE}"), key=lambda path: path.stat().st_mtime, reverse=True)
    runs = [str(path.parent) for path in found]
    what = "is not the folder of a run" if run.is_dir() else "is no folder" if run.exists() else "does not exist"
    by_name = {Path(name).name: name for name in runs}
    near = difflib.get_close_matches(run.stem, by_name, 1)
    hint = f"; did you mean {by_name[near[0]]}?" if near else ""
    if runs:
        return f"{run} {what}{hint}; the newest runs here: {', '.join(runs[:5])}"
    return f"{run} {what}, and there are no runs in {RUNS}/; train one with `ganforge run RECIPE`"
