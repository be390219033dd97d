"""`ganforge run RECIPE --seeds N`: the seeds of one recipe, one after the other, and what came out of all."""

from __future__ import annotations

import gc
import os
import shlex
import traceback
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import click
import torch

from ganforge.cli.compare.report import lines
from ganforge.cli.messages import error_text
from ganforge.cli.run.options import Order
from ganforge.cli.run.train import play
from ganforge.cli.terminal.console import say
from ganforge.distributed.launch import launch
from ganforge.errors import GanforgeError, RecipeError
from ganforge.plugins.loading import load_catalogue
from ganforge.recipes.recipe import Recipe, read_recipe
from ganforge.runs.run import read_run
from ganforge.runs.seeds import SeedRuns, plan_seeds

SIGNALLED = 128  # exit codes above it are of processes that a signal ended


def play_seeds(order: Order, seeds: int) -> int:
    """Play a recipe with so many seeds, the recipe's own first; return the exit code.

    A seed that fails does not keep the others from being played: the code is that of the first that failed. A signal
    ends them all.

    Raises:
        GanforgeError: whatever keeps all of them from being played, in words.
    """
    if "RANK" in os.environ:
        raise RecipeError("--seeds starts its own processes: leave the launcher out and use --processes")
    recipe = read_recipe(order.file, load_catalogue(order.leave_out), order.overrides)
    if order.dry_run:
        return play(order)
    sweep = plan_seeds(order.name, recipe.seed, seeds, resume=order.resume, out=order.out)
    codes: list[int] = []
    for number, seed in enumerate(sweep.folders, 1):
        code = _play_one(order, recipe, sweep, seed, f"seed {seed} ({number} of {seeds})", first=number == 1)
        codes.append(code)
        if code > SIGNALLED:
            again = shlex.join([*arguments(replace(order, resume=True)), "--seeds", str(seeds)])
            say(f"stopped at seed {seed}; go on: ganforge {again}")
            return code
    if not order.quiet:
        _summarise(order, list(sweep.folders.values()))
    failed = [seed for seed, code in zip(sweep.folders, codes, strict=True) if code]
    if failed:
        say(f"{len(failed)} of {seeds} seeds did not finish: {', '.join(map(str, failed))}; see above")
    return next((code for code in codes if code), 0)


def _play_one(order: Order, recipe: Recipe, sweep: SeedRuns, seed: int, title: str, *, first: bool) -> int:
    folder = sweep.folders[seed]
    if order.resume and sweep.is_over(seed, recipe.run.images):
        if not order.quiet:
            say(f"{title}: {folder} has finished already and is left alone")
        click.echo(folder)
        return 0
    if not order.quiet:
        say(click.style(f"\n{title}: {folder}", bold=True))
    overrides, resume = (*order.overrides, f"seed={seed}"), order.resume and sweep.has_begun(seed)
    one = replace(order, overrides=overrides, out=folder, resume=resume, sweep=sweep.name)
    if (order.processes or 1) > 1:
        return launch(arguments(one), one.processes or 1, os.environ)
    try:
        return play(one)
    except GanforgeError as error:
        if first and isinstance(error, RecipeError):  # all others would say the same
            raise
        say(f"{click.style('error', fg='red', bold=True)}: seed {seed}: {error_text(error)}")
        return error.exit_code
    except Exception:  # noqa: BLE001 - one seed that breaks is told, and does not keep the others from being played
        say(traceback.format_exc())
        return 1
    finally:
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def arguments(order: Order) -> list[str]:
    """Return the command line that an order was made from."""
    found = ["run", str(order.recipe)]
    found += ["--device", order.device] if order.device != "auto" else []
    found += ["--processes", str(order.processes)] if (order.processes or 1) > 1 else []
    found += [part for override in order.overrides for part in ("--set", override)]
    found += [part for name in order.leave_out for part in ("--no-plugin", name)]
    found += ["--out", str(order.out)] if order.out else []
    found += ["--sweep", order.sweep] if order.sweep else []
    return found + [flag for flag, on in (("--resume", order.resume), ("--quiet", order.quiet)) if on]


def _summarise(order: Order, folders: Sequence[Path]) -> None:
    catalogue = load_catalogue(order.leave_out)
    runs = [read_run(folder, catalogue) for folder in folders if (folder / "recipe.toml").is_file()]
    if runs:
        say("")
        for line in lines(runs):
            say(line)
        say(f"\n  again: ganforge compare {' '.join(str(run.folder) for run in runs)}")
