"""`ganforge run`: train what a recipe describes."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from ganforge.cli import options


@click.command("run")
@options.recipe_path
@options.overrides
@click.option("--resume", is_flag=True, help="Go on with the newest run of this recipe (or with --out FOLDER).")
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the run [default: runs/RECIPE].")
@options.device
@options.processes
@click.option(
    "--seeds", type=click.IntRange(min=1), help="Play so many seeds, in runs/RECIPE-seed0 and so on, and compare them."
)
@click.option("--dry-run", is_flag=True, help="Read and build everything, train nothing, write nothing.")
@click.option("--quiet", is_flag=True, help="Say only what must be read.")
@click.option("--seed-group", hidden=True, help="What several seeds have in common, for MLflow.")
@options.leave_out
def command(
    recipe: Path,
    overrides: tuple[str, ...],
    resume: bool,
    out: Path | None,
    device: str,
    processes: int | None,
    seeds: int | None,
    dry_run: bool,
    quiet: bool,
    seed_group: str | None,
    leave_out: tuple[str, ...],
) -> int:
    """Train what RECIPE describes.

    RECIPE is a TOML file, or the folder of an earlier run. Grids, metrics and checkpoints go to a new folder below
    runs/. Ctrl-C saves a checkpoint and stops; --resume goes on from there, exactly.

    \b
    Examples:
      ganforge run recipes/stylegan2_faces.toml
      ganforge run recipes/stylegan2_faces.toml --set run.images=100_000
      ganforge run runs/stylegan2_faces --resume
      ganforge run recipes/dcgan_digits.toml --seeds 3
    """
    from ganforge.cli.run.options import RunOptions
    from ganforge.distributed.launch import end_with_launcher, launch, launched_world_size

    asked = RunOptions(recipe, overrides, resume, out, device, dry_run, quiet, leave_out, processes, seed_group)
    world = launched_world_size(os.environ, processes)
    if seeds is not None:
        from ganforge.cli.run.seeds import play_seeds

        return play_seeds(asked, seeds)
    if world is None and processes is not None and processes > 1:
        return launch(sys.argv[1:], processes, os.environ)
    end_with_launcher(os.environ)
    from ganforge.cli.messages import errors_told_once
    from ganforge.cli.run.train import run_training

    with errors_told_once():
        return run_training(asked)
