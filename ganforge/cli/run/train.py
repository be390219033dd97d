"""Training, as `ganforge run` has it done: what is said before, meanwhile and afterwards, and the exit code."""

from __future__ import annotations

import click
import torch
from accelerate import Accelerator

from ganforge.api.families import metric_directions
from ganforge.cli.messages import errors_told_once, say
from ganforge.cli.run.options import RunOptions, choose_folder
from ganforge.cli.run.summary import summarise
from ganforge.cli.terminal.view import make_view
from ganforge.distributed.world import World
from ganforge.plugins.loading import load_catalogue
from ganforge.recipes.recipe import Recipe, read_recipe
from ganforge.runs.replay import left_out_plugins
from ganforge.training.build import make_accelerator
from ganforge.training.reporter import SilentReporter
from ganforge.training.run import dry_run, train_run
from ganforge.training.signals import Signals

STOPPED = 4  # exit code of a run that was ended by what a monitor found


def run_training(options: RunOptions) -> int:
    """Train; return the exit code.

    Raises:
        GanforgeError: whatever keeps it from training, in words.
    """
    catalogue = load_catalogue(options.leave_out)
    notices: list[str] = []
    recipe = read_recipe(options.file, catalogue, options.overrides, notices.append)
    accelerator = make_accelerator(options.device, recipe.run.precision, options.processes)
    main = accelerator.is_main_process
    notices += left_out_plugins(catalogue)
    for notice in notices if main and not options.quiet else ():
        say(notice)
    if options.dry_run:
        return _dry_run(options, recipe, accelerator)
    folder, earlier = World(accelerator).from_main(lambda: choose_folder(options))
    if earlier is not None and main and not options.quiet:
        say(f"this is a new run in {folder}; --resume would go on with {earlier}")
    better = metric_directions(recipe.metrics)
    with Signals(talks=main) as signals:
        try:
            with errors_told_once(), make_view(recipe.run.images, options.quiet, mute=not main, better=better) as view:
                outcome = train_run(
                    recipe,
                    folder,
                    catalogue=catalogue,
                    accelerator=accelerator,
                    reporter=view,
                    signals=signals,
                    resume=options.resume,
                    seed_group=options.seed_group,
                )
        except KeyboardInterrupt:
            if not signals.asked:
                raise
            if main:
                when = "at once, while it was being ended" if signals.patient else "before the first round"
                say(f"stopped by {signals.name} {when}")
            return signals.exit_code
        finally:
            if torch.distributed.is_initialized():
                torch.distributed.destroy_process_group()
    if main:
        summarise(options, outcome)
    return {"finished": 0, "failed": STOPPED}.get(outcome.status, signals.exit_code)


def _dry_run(options: RunOptions, recipe: Recipe, accelerator: Accelerator) -> int:
    session = dry_run(recipe, accelerator, SilentReporter())
    if accelerator.is_main_process:
        players = ", ".join(
            f"{name} {sum(p.numel() for p in player.parameters):,}" for name, player in session.runner.players.items()
        )
        click.echo(
            f"{options.file} is in order: {recipe.run.images:,} images in rounds of {recipe.run.batch}, data of "
            f"{len(session.source):,} samples {list(session.source.spec.shape)}; parameters: {players}. Nothing was "
            f"trained; `ganforge check {options.recipe}` measures speed and memory"
        )
    return 0
