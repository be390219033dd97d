"""From a recipe to a session that can be played."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator

from ganforge.api.component import KindLookup
from ganforge.api.data import DataSpec, Source
from ganforge.api.families import Dataset, Monitor, metric_directions
from ganforge.api.game import Game
from ganforge.api.sampler import Sampler
from ganforge.diagnosis.panel import Panel
from ganforge.errors import RecipeError, at_key, did_you_mean
from ganforge.recipes.recipe import Recipe
from ganforge.tracking import Tracker
from ganforge.training.build import build_runner, check_batch, warn_of_split_groups
from ganforge.training.callbacks.callback import Callback
from ganforge.training.callbacks.checkpoint import CheckpointCallback
from ganforge.training.callbacks.evaluate import EvaluationCallback
from ganforge.training.callbacks.grid import GridCallback
from ganforge.training.callbacks.log import LogCallback
from ganforge.training.callbacks.probe import ProbeCallback
from ganforge.training.callbacks.watch import WatchCallback
from ganforge.training.reporter import Reporter
from ganforge.training.runner import Runner
from ganforge.training.session import Session
from ganforge.training.transfer import load_start_weights


def assemble(
    recipe: Recipe,
    accelerator: Accelerator,
    source: Source,
    *,
    folder: Path,
    cache: Path,
    tracker: Tracker,
    reporter: Reporter,
    monitors: Sequence[Monitor] | None = None,
    installed: KindLookup | None = None,
    fresh: bool = True,
) -> tuple[Session, list[Callback]]:
    """Build a session and its callbacks, in the order in which they run between rounds.

    Args:
        folder: of the run.
        cache: where decoded images and statistics of real samples lie.
        monitors: that watch it, see `monitors_of`; None = only those that the recipe lists.
        installed: components, which tell what may help where it fails.
        fresh: it begins at the beginning: its players take over the weights that the recipe names (`start`). One that
            goes on from a checkpoint has them already, and where they came from need not be there any more.

    Raises:
        RecipeError: a component does not fit the data, or another.
    """
    runner = build_runner(recipe, source.spec, accelerator)
    missing = sorted(runner.game.reads - set(source.batch(np.zeros(1, np.int64))))
    if missing:
        raise RecipeError(
            f"game '{recipe.game.kind}' reads {', '.join(missing)} of each batch, and data '{recipe.data.kind}' do not "
            "have that; choose other data, or turn labels on (data.labels = true)"
        )
    for notice in source.notices:
        reporter.say(notice)
    check_batch(runner, source.spec)
    warn_of_split_groups(runner, reporter)
    taken_over = _begin(runner, reporter) if fresh else {}
    reference = source if recipe.reference is None else open_reference(recipe.reference, source.spec, cache)
    session = Session(
        recipe=recipe,
        runner=runner,
        source=source,
        reference=reference,
        sampler=Sampler(recipe.seed, len(source)),
        tracker=tracker,
        folder=folder,
        cache=cache,
        reporter=reporter,
        installed=installed,
        start_weights=taken_over,
    )
    keep, watched = recipe.checkpoints, recipe.diagnosis
    held_out = None if watched.held_out is None else _held_out(watched.held_out, source, runner.game, cache)
    for key, other in (("reference", reference), ("diagnosis.held_out", held_out)):
        for notice in () if other is None or other is source else other.notices:
            reporter.say(f"{key}: {notice}")
    every = recipe.run.log_every_images
    callbacks: list[Callback] = [ProbeCallback(every, watched.samples, held_out), LogCallback(every)]
    callbacks.append(GridCallback(recipe.grid.every_images, recipe.grid.samples, recipe.grid.truncation))
    if recipe.metrics:
        _check_best(recipe)
        callbacks.append(EvaluationCallback(recipe.metrics, keep.best))
    monitors = recipe.monitors if monitors is None else monitors
    callbacks.append(WatchCallback(Panel(monitors, session.plan, watched.action, keep=session.may_roll_back)))
    callbacks.append(CheckpointCallback(keep.every_images, keep.keep, keep.best, keep.for_good_every_images))
    return session, callbacks


def open_reference(data: Dataset, spec: DataSpec, cache: Path, key: str = "reference") -> Source:
    """Open what metrics compare with, and see that its samples are like those of a game.

    Args:
        spec: of the data that the game is built for.
        key: what named them, for messages.

    Raises:
        RecipeError: they cannot be opened, or are of another shape or other labels.
    """
    with at_key(key):
        source = data.open(cache)
        if source.spec.shape != spec.shape:
            raise RecipeError(
                f"its samples are of shape {list(source.spec.shape)}, and the game makes {list(spec.shape)}; give it "
                "the same resolution and channels as data"
            )
        labels, known = (source.spec.classes, source.spec.conditions), (spec.classes, spec.conditions)
        if any(labels) and any(known) and labels != known:
            raise RecipeError(
                f"its labels tell {labels[0]} classes and {labels[1]} conditions, and the game was built for "
                f"{known[0]} and {known[1]}; name data with the same labels, or leave its labels out"
            )
    return source


def _held_out(data: Dataset, source: Source, game: Game, cache: Path) -> Source:
    """Open the samples that are never trained on, and see that they are like the others, and scored."""
    with at_key("diagnosis.held_out"):
        held_out = data.open(cache)
        if held_out.spec.shape != source.spec.shape or held_out.spec.label_size != source.spec.label_size:
            raise RecipeError(
                f"its samples are {list(held_out.spec.shape)} with {held_out.spec.label_size} numbers in a label, and "
                f"those of data {list(source.spec.shape)} with {source.spec.label_size}; expected the same of both"
            )
        if held_out.fingerprint == source.fingerprint:
            raise RecipeError(
                "these are the very samples that are trained on; name others, such as another part of them"
            )
        if type(game).score is Game.score:
            game.score(torch.zeros(0))
    return held_out


def _check_best(recipe: Recipe) -> None:
    """Raise a `RecipeError` where no metric tells the value that the best checkpoint is to be chosen by."""
    best, known = recipe.checkpoints.best, metric_directions(recipe.metrics)
    if best is not None and best not in known:
        raise RecipeError(
            f"checkpoints.best: no metric of this recipe tells '{best}'{did_you_mean(best, known)} (they tell: "
            f"{', '.join(sorted(known))}); name one of these, or leave best out"
        )


def _begin(runner: Runner, reporter: Reporter) -> dict[str, str]:
    """Let players take over the weights that they begin with; return what each of them took."""
    taken_over: dict[str, str] = {}
    for name, player in runner.players.items():
        if player.recipe.start is None:
            continue
        with at_key(f"game.{name}.start"):
            transfer, notices = load_start_weights(player.network, player.recipe.start, name)
        if player.ema is not None:
            player.ema.restart()
        for notice in (*notices, f"{name}: {transfer.say()}"):
            reporter.say(notice)
        taken_over[name] = transfer.say(most=None)
    return taken_over
