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

from ganforge.cli.compare.report import comparison_lines
from ganforge.cli.messages import say, show_error
from ganforge.cli.run.options import RunOptions
from ganforge.cli.run.train import run_training
from ganforge.cli.terminal.tables import terminal_width
from ganforge.distributed.launch import launch
from ganforge.errors import GanforgeError, RecipeError
from ganforge.plugins.loading import load_catalogue
from ganforge.recipes.recipe import Recipe, read_recipe
from ganforge.runs.comparison import compare
from ganforge.runs.seeds import SeedGroup, plan_seeds
from ganforge.runs.summary import summarise_run
from ganforge.storage.layout import RunLayout

SIGNALLED = 128  # exit codes above it are of processes that a signal ended


def play_seeds(options: RunOptions, seeds: int) -> int:
    """Play a recipe with so many seeds, the recipe's own first; return the exit code.

    A seed that fails does not keep the others from being played: the code is that of the first that failed. A signal
    ends them all.

    Raises:
        GanforgeError: whatever keeps all of them from being played, in words.
    """
    if "RANK" in os.environ:
        raise RecipeError("--seeds starts its own processes: leave the launcher out and use --processes")
    recipe = read_recipe(options.file, load_catalogue(options.leave_out), options.overrides)
    if options.dry_run:
        return run_training(options)
    seed_group = plan_seeds(options.name, recipe.seed, seeds, resume=options.resume, out=options.out)
    codes: list[int] = []
    for number, seed in enumerate(seed_group.folders, 1):
        code = _play_one(options, recipe, seed_group, seed, f"seed {seed} ({number} of {seeds})", first=number == 1)
        codes.append(code)
        if code > SIGNALLED:
            again = shlex.join([*arguments(replace(options, resume=True)), "--seeds", str(seeds)])
            say(f"stopped at seed {seed}; go on: ganforge {again}")
            return code
    if not options.quiet:
        _summarise(options, list(seed_group.folders.values()))
    failed = [seed for seed, code in zip(seed_group.folders, codes, strict=True) if code]
    if failed:
        say(f"{len(failed)} of {seeds} seeds did not finish: {', '.join(map(str, failed))}; see above")
    return next((code for code in codes if code), 0)


def _play_one(options: RunOptions, recipe: Recipe, seed_group: SeedGroup, seed: int, title: str, *, first: bool) -> int:
    folder = seed_group.folders[seed]
    if options.resume and seed_group.is_over(seed, recipe.run.images):
        if not options.quiet:
            say(f"{title}: {folder} has finished already and is left alone")
        click.echo(folder)
        return 0
    if not options.quiet:
        say(click.style(f"\n{title}: {folder}", bold=True))
    overrides, resume = (*options.overrides, f"seed={seed}"), options.resume and seed_group.has_begun(seed)
    one = replace(options, overrides=overrides, out=folder, resume=resume, seed_group=seed_group.name)
    if (options.processes or 1) > 1:
        return launch(arguments(one), one.processes or 1, os.environ)
    try:
        return run_training(one)
    except GanforgeError as error:
        if first and isinstance(error, RecipeError):  # all others would say the same
            raise
        show_error(error, f"seed {seed}: ")
        return error.exit_code
    except Exception:  # noqa: BLE001 - one seed that breaks is told, and does not keep the others from being played
        say(traceback.format_exc())
        return 1
    finally:
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def arguments(options: RunOptions) -> list[str]:
    """Return the command line that options were made from."""
    found = ["run", str(options.recipe)]
    found += ["--device", options.device] if options.device != "auto" else []
    found += ["--processes", str(options.processes)] if (options.processes or 1) > 1 else []
    found += [part for override in options.overrides for part in ("--set", override)]
    found += [part for name in options.leave_out for part in ("--no-plugin", name)]
    found += ["--out", str(options.out)] if options.out else []
    found += ["--seed-group", options.seed_group] if options.seed_group else []
    return found + [flag for flag, on in (("--resume", options.resume), ("--quiet", options.quiet)) if on]


def _summarise(options: RunOptions, folders: Sequence[Path]) -> None:
    catalogue = load_catalogue(options.leave_out)
    runs = [summarise_run(folder, catalogue) for folder in folders if RunLayout(folder).recipe.is_file()]
    if runs:
        say("\n".join(["", *comparison_lines(compare(runs), terminal_width())]))
        say(f"\n  again: ganforge compare {' '.join(str(run.folder) for run in runs)}")
