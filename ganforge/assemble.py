"""From a recipe to a session that can be played."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator

from ganforge.data import DataSpec, Source
from ganforge.diagnosis import Panel, plan_of
from ganforge.dice import derive
from ganforge.errors import GanforgeError, RecipeError, at_key
from ganforge.families import Dataset, Monitor, directions
from ganforge.fields import nearest
from ganforge.game import Game, GameComponent
from ganforge.launch import world_of
from ganforge.network import DiscriminatorNetwork
from ganforge.player import Player, main_share
from ganforge.ration import Ration, check_room
from ganforge.recipe import Recipe
from ganforge.runner import Runner
from ganforge.sampler import Sampler
from ganforge.session import Session, Show, Task
from ganforge.shared_norm import own_norms, share_norms
from ganforge.tasks.evaluate import Evaluate
from ganforge.tasks.log import Log
from ganforge.tasks.probe import Probe
from ganforge.tasks.save import Save
from ganforge.tasks.snapshot import Snapshot
from ganforge.tasks.watch import Watch
from ganforge.tracking import Tracker
from ganforge.transfer import begin_with


def make_accelerator(device: str, precision: str, processes: int | None = None) -> Accelerator:
    """Make Accelerate's view of the devices and processes of this run.

    Args:
        device: "auto", "cpu" or "cuda".
        precision: "no" or "bf16".
        processes: as many as were asked for on the command line, if anything was said.

    Raises:
        GanforgeError: the device is not there, or not as many processes came as were started.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise GanforgeError("--device cuda: PyTorch sees no CUDA device here; use --device cpu, or check the driver")
    wanted = world_of(os.environ, processes) or 1
    # Without this Accelerate takes several processes on a machine without CUDA for so many runs of one.
    on_cpu = device == "cpu" or (wanted > 1 and not torch.cuda.is_available())
    accelerator = Accelerator(cpu=on_cpu, mixed_precision=precision)
    if accelerator.num_processes != wanted:
        raise GanforgeError(
            f"{wanted} processes were asked for and Accelerate joined {accelerator.num_processes}; start them with "
            "`ganforge run RECIPE --processes N` or torchrun"
        )
    return accelerator


def build_game(
    recipe: GameComponent, spec: DataSpec, seed: int, device: torch.device, *, sync_batchnorm: bool = False
) -> Game:
    """Build a game with the same weights on every process, constraints attached, on the device, channels last."""
    torch.manual_seed(derive(seed, "weights"))
    with Ration("building the networks", "make the numbers in game smaller, such as width, channels or latent"):
        game = recipe.build(spec)
    if spec.labelled < 1 and not game.partial_labels:
        raise RecipeError(
            f"game '{recipe.kind}' needs the label of every sample, and {1 - spec.labelled:.1%} of the data have none; "
            "choose the game semi-supervised, or leave data.labelled out"
        )
    if sync_batchnorm:
        share_norms(game)
    for name, player in recipe.players().items():
        for constraint in player.constraints:
            constraint.attach(game.get_submodule(name))
    game.train()
    return game.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


def build_runner(recipe: Recipe, spec: DataSpec, accelerator: Accelerator) -> Runner:
    """Build game and players.

    Raises:
        RecipeError: the batch cannot be shared out, a player has no turn, or a component does not fit the data.
    """
    shares = accelerator.num_processes * recipe.run.microbatches
    later = [(entry.after_images, entry.batch) for entry in recipe.run.batches]
    named = {"run.batch": recipe.run.batch} | {f"run.batches[{index}].batch": b for index, (_, b) in enumerate(later)}
    for name, batch in named.items():
        if batch % shares:
            raise RecipeError(
                f"{name} = {batch} cannot be shared out evenly over {accelerator.num_processes} processes x "
                f"{recipe.run.microbatches} microbatches; use a multiple of {shares}"
            )
    shared = recipe.run.sync_batchnorm and accelerator.num_processes > 1
    game = build_game(recipe.game, spec, recipe.seed, accelerator.device, sync_batchnorm=shared)
    turns = game.turns()
    players = {
        name: Player(name, game.get_submodule(name), player, main_share(turns, name))
        for name, player in recipe.game.players().items()
    }
    strangers = {turn.player for turn in turns} - set(players)
    if strangers:
        raise GanforgeError(f"game '{recipe.game.kind}' has turns of {', '.join(sorted(strangers))}, who is no player")
    return Runner(
        game,
        players,
        accelerator,
        batch=recipe.run.batch,
        batches=later,
        microbatches=recipe.run.microbatches,
        seed=recipe.seed,
    )


def assemble(
    recipe: Recipe,
    accelerator: Accelerator,
    source: Source,
    *,
    folder: Path,
    cache: Path,
    tracker: Tracker,
    show: Show,
    monitors: Sequence[Monitor] | None = None,
    fresh: bool = True,
) -> tuple[Session, list[Task]]:
    """Build a session and its tasks, in the order in which they run between rounds.

    `monitors` watch it, see `monitors_of`; None = only those that the recipe lists. A `fresh` one begins at the
    beginning: its players take over the weights that the recipe names (`start`). One that goes on from a checkpoint has
    them already, and where they came from need not be there any more.
    """
    runner = build_runner(recipe, source.spec, accelerator)
    missing = sorted(runner.game.reads - set(source.batch(np.zeros(1, np.int64))))
    if missing:
        raise RecipeError(
            f"game '{recipe.game.kind}' reads {', '.join(missing)} of each batch, and data '{recipe.data.kind}' do not "
            "have that; choose other data, or turn labels on (data.labels = true)"
        )
    for notice in source.notices:
        show.say(notice)
    _check_batch(runner, source.spec)
    _warn_of_split_groups(runner, show)
    taken_over = _begin(runner, show) if fresh else {}
    session = Session(
        recipe=recipe,
        runner=runner,
        source=source,
        sampler=Sampler(recipe.seed, len(source)),
        tracker=tracker,
        folder=folder,
        cache=cache,
        show=show,
        taken_over=taken_over,
        compared_with=None if recipe.reference is None else open_reference(recipe.reference, source.spec, cache),
    )
    keep = recipe.checkpoints
    watched = recipe.diagnosis
    held_out = None if watched.held_out is None else _held_out(watched.held_out, source, runner.game, cache)
    for key, other in (("reference", session.compared_with), ("diagnosis.held_out", held_out)):
        for notice in () if other is None else other.notices:
            show.say(f"{key}: {notice}")
    every = recipe.run.log_every_images
    tasks: list[Task] = [Probe(every, watched.samples, held_out), Log(every)]
    tasks.append(Snapshot(recipe.grid.every_images, recipe.grid.samples, recipe.grid.truncation))
    if recipe.metrics:
        _check_best(recipe)
        tasks.append(Evaluate(recipe.metrics, keep.best))
    monitors = recipe.monitors if monitors is None else monitors
    tasks.append(Watch(Panel(monitors, plan_of(recipe), watched.action, keep=session.may_roll_back)))
    tasks.append(Save(keep.every_images, keep.keep, keep.best, keep.for_good_every_images))
    return session, tasks


def _check_batch(runner: Runner, spec: DataSpec) -> None:
    """See that the largest batch fits in memory, as it is read and as networks see it."""
    rows = max(batch for _, batch in runner.batches) // runner.accelerator.num_processes
    shape = " x ".join(map(str, spec.shape))
    check_room(rows * (spec.size * 5 + 8), f"a batch of {rows:,} samples of {shape}", "make run.batch smaller")


def open_reference(data: Dataset, spec: DataSpec, cache: Path, key: str = "reference") -> Source:
    """Open what metrics compare with, and see that its samples are like those of a game.

    Args:
        data: the recipe's, or those that a command names.
        spec: of the data that the game is built for.
        cache: a folder for decoded data.
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
    best, known = recipe.checkpoints.best, directions(recipe.metrics)
    if best is not None and best not in known:
        raise RecipeError(
            f"checkpoints.best: no metric of this recipe tells '{best}'{nearest(best, known)} (they tell: "
            f"{', '.join(sorted(known))}); name one of these, or leave best out"
        )


def _begin(runner: Runner, show: Show) -> dict[str, str]:
    """Let players take over the weights that they begin with; return what each of them took."""
    taken_over: dict[str, str] = {}
    for name, player in runner.players.items():
        if player.recipe.start is None:
            continue
        with at_key(f"game.{name}.start"):
            transfer, notices = begin_with(player.network, player.recipe.start, name)
        if player.ema is not None:
            player.ema.restart()
        for notice in (*notices, f"{name}: {transfer.say()}"):
            show.say(notice)
        taken_over[name] = transfer.say(most=None)
    return taken_over


def _warn_of_split_groups(runner: Runner, show: Show) -> None:
    """Say so where sharing out the batch changes what a discriminator with batch statistics sees."""
    processes = runner.accelerator.num_processes
    shares = processes * runner.microbatches
    if shares == 1:
        return
    rows = [batch // shares for _, batch in runner.batches]
    if runner.game.whole_batch and runner.microbatches > 1:
        show.say(
            f"{type(runner.game).__name__} looks at each micro-batch as a whole, and one is {rows[0] * processes} of "
            f"{rows[0] * shares}: results will differ from those without microbatches"
        )
    norms = [norm for norm in own_norms(runner.game) if norm.training]
    if norms and processes > 1:
        show.say(
            f"{len(norms)} BatchNorms take their statistics of each process's share of the batch, {rows[0]} samples: "
            "results will differ from those of one process. --set run.sync_batchnorm=true shares them"
        )
    for module in runner.game.modules():
        if not isinstance(module, DiscriminatorNetwork) or module.batch_group <= 1:
            continue
        cut = [share for share in rows if share % module.batch_group]
        if cut:
            show.say(
                f"{type(module).__name__} compares samples in groups of {module.batch_group}, and a share of the batch "
                f"is {cut[0]}: results will differ from those of one process. Groups stay whole with "
                f"--set run.batch={module.batch_group * shares} or a multiple of it"
            )
