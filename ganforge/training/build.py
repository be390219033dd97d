"""From a recipe to a game and its runner, on the devices and processes that there are."""

from __future__ import annotations

import ctypes
import os
import platform

import torch
from accelerate import Accelerator

from ganforge.api.data import DataSpec
from ganforge.api.dice import derive_seed
from ganforge.api.game import Game, GameComponent
from ganforge.api.network import DiscriminatorNetwork
from ganforge.diagnosis.memory import MemoryGuard, check_memory
from ganforge.distributed.launch import HOW_TO_START, launched_world_size
from ganforge.distributed.sync_batchnorm import convert_batchnorms, local_batchnorms
from ganforge.errors import GanforgeError, RecipeError, argument
from ganforge.recipes.recipe import Recipe
from ganforge.training.player import Player, main_step_fraction
from ganforge.training.reporter import Reporter
from ganforge.training.runner import Runner

DEVICES = ("auto", "cpu", "cuda")


def require_device(name: str) -> None:
    """Refuse a device that has no such name, or that is not there.

    Args:
        name: "auto", "cpu" or "cuda".

    Raises:
        GanforgeError: it says what there is instead.
    """
    if name not in DEVICES:
        raise GanforgeError(f"{argument('device', name)}: expected one of {', '.join(DEVICES)}")
    if name == "cuda" and not torch.cuda.is_available():
        raise GanforgeError(
            f"{argument('device', name)}: PyTorch sees no CUDA device here; use {argument('device', 'cpu')}, or "
            "check the driver"
        )


def make_accelerator(device: str, precision: str, processes: int | None = None) -> Accelerator:
    """Make Accelerate's view of the devices and processes of this run.

    Args:
        device: "auto", "cpu" or "cuda".
        precision: "no" or "bf16".

    Raises:
        GanforgeError: the device is not there, or not as many processes came as were started.
    """
    require_device(device)
    wanted = launched_world_size(os.environ, processes) or 1
    # Without this Accelerate takes several processes on a machine without CUDA for so many runs of one.
    on_cpu = device == "cpu" or (wanted > 1 and not torch.cuda.is_available())
    accelerator = Accelerator(cpu=on_cpu, mixed_precision=precision)
    if accelerator.num_processes != wanted:
        raise GanforgeError(
            f"{wanted} processes were asked for and Accelerate joined {accelerator.num_processes}; {HOW_TO_START}"
        )
    return accelerator


def build_game(
    recipe: GameComponent, spec: DataSpec, seed: int, device: torch.device, *, sync_batchnorm: bool = False
) -> Game:
    """Build a game with the same weights on every process, constraints attached, on the device, channels last."""
    torch.manual_seed(derive_seed(seed, "weights"))
    with MemoryGuard("building the networks", "make the numbers in game smaller, such as width, channels or latent"):
        game = recipe.build(spec)
    if spec.labelled < 1 and not game.partial_labels:
        raise RecipeError(
            f"game '{recipe.kind}' needs the label of every sample, and {1 - spec.labelled:.1%} of the data have none; "
            "choose the game semi-supervised, or leave data.labelled out"
        )
    if sync_batchnorm:
        convert_batchnorms(game)
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
        name: Player(name, game.get_submodule(name), player, main_step_fraction(turns, name))
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


def check_batch(runner: Runner, spec: DataSpec) -> None:
    """See that the largest batch fits in memory, as it is read and as networks see it."""
    rows = max(batch for _, batch in runner.batches) // runner.accelerator.num_processes
    shape = " x ".join(map(str, spec.shape))
    check_memory(rows * (spec.size * 5 + 8), f"a batch of {rows:,} samples of {shape}", "make run.batch smaller")


def warn_of_split_groups(runner: Runner, reporter: Reporter) -> None:
    """Say so where sharing out the batch changes what a discriminator with batch statistics sees."""
    processes = runner.accelerator.num_processes
    shares = processes * runner.microbatches
    if shares == 1:
        return
    rows = [batch // shares for _, batch in runner.batches]
    if runner.game.whole_batch and runner.microbatches > 1:
        reporter.say(
            f"{type(runner.game).__name__} looks at each micro-batch as a whole, and one is {rows[0] * processes} of "
            f"{rows[0] * shares}: results will differ from those without microbatches"
        )
    norms = [norm for norm in local_batchnorms(runner.game) if norm.training]
    if norms and processes > 1:
        reporter.say(
            f"{len(norms)} BatchNorms take their statistics of each process's share of the batch, {rows[0]} samples: "
            "results will differ from those of one process. run.sync_batchnorm=true shares them"
        )
    for module in runner.game.modules():
        if not isinstance(module, DiscriminatorNetwork) or module.batch_group <= 1:
            continue
        cut = [share for share in rows if share % module.batch_group]
        if cut:
            reporter.say(
                f"{type(module).__name__} compares samples in groups of {module.batch_group}, and a share of the batch "
                f"is {cut[0]}: results will differ from those of one process. Groups stay whole with "
                f"run.batch={module.batch_group * shares} or a multiple of it"
            )


_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4  # mallopt(3)


def keep_freed_memory() -> bool:
    """Tell glibc to keep freed memory for the next round rather than to give it back to the system.

    Each round allocates what the last one freed, and a page given back must be zeroed again. Does nothing on other C
    libraries.

    Returns:
        Whether it was told.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return all(mallopt(key, value) for key, value in ((_MMAP_MAX, 0), (_TRIM_THRESHOLD, 2**31 - 1), (_TOP_PAD, 2**28)))
