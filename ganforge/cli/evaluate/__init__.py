"""`ganforge evaluate`: any metric of any checkpoint, or of a folder or ZIP of images."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, redirect_stderr
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ganforge.cli import options

if TYPE_CHECKING:
    from accelerate import Accelerator

    from ganforge.runs.evaluator import Progress


@click.command("evaluate")
@click.argument("samples", metavar="RUN|FOLDER|ZIP")
@click.option("--checkpoint", "checkpoints", multiple=True, metavar="IMAGES|best|all|PATH",
              help="Which checkpoint; may be repeated [default: the newest].")  # fmt: skip
@click.option("--metric", "metrics", multiple=True, metavar="KIND|TABLE",
              help="What to measure, such as fid or '{kind = \"fid\", samples = 5000}'; may be repeated [default: the "
              "recipe's metrics, or those usual for such samples].")  # fmt: skip
@click.option("--samples", "count", type=click.IntRange(min=2), help="Generated samples, for all metrics.")
@click.option("--real", type=click.IntRange(min=2), help="Real samples, for all metrics.")
@click.option("--features", metavar="KIND|TABLE", help="Whose features are compared, for all metrics.")
@click.option("--against", metavar="DATA",
              help="Compare with these: a folder or ZIP of images, a kind of data set, or a TOML table [default: the "
              "recipe's reference, or its data].")  # fmt: skip
@click.option("--resolution", type=click.IntRange(min=4), help="Cut and resize both sides of images to this.")
@click.option("--seed", type=click.IntRange(min=0), help="Decides which samples [default: the recipe's seed].")
@click.option("--repeat", type=click.IntRange(min=1), default=1, show_default=True,
              help="Measure with so many seeds, and tell mean and standard deviation.")  # fmt: skip
@click.option("--truncation", type=click.FloatRange(0, 1, min_open=True), default=1.0,
              help="Above 0, at most 1: less variety, more likeness.")  # fmt: skip
@options.live
@click.option("--save", is_flag=True, help="Append what was measured to RUN/evaluations.jsonl, for `ganforge compare`.")
@options.device
@options.processes
@options.as_json
@options.leave_out
def command(
    samples: str,
    checkpoints: tuple[str, ...],
    metrics: tuple[str, ...],
    count: int | None,
    real: int | None,
    features: str | None,
    against: str | None,
    resolution: int | None,
    seed: int | None,
    repeat: int,
    truncation: float,
    live: bool,
    save: bool,
    device: str,
    processes: int | None,
    as_json: bool,
    leave_out: tuple[str, ...],
) -> int:
    """Measure how good samples are: of RUN, the folder of a run, or of a folder or ZIP of images.

    All metrics look at the same samples, in one pass. Every value comes with its receipt: what it depends on.

    \b
    Examples:
      ganforge evaluate runs/stylegan2_faces --checkpoint best --repeat 3
      ganforge evaluate runs/stylegan2_faces --metric fid --samples 50000 --save
      ganforge evaluate a.zip --against b.zip --json
    """
    from ganforge.distributed.launch import end_with_launcher, launch, launched_world_size

    world = launched_world_size(os.environ, processes)
    if world is None and processes is not None and processes > 1:
        return launch(sys.argv[1:], processes, os.environ)
    end_with_launcher(os.environ)
    from ganforge.cli.evaluate.report import evaluation_lines
    from ganforge.cli.messages import errors_told_once, say
    from ganforge.cli.terminal.tables import terminal_width
    from ganforge.distributed.world import World
    from ganforge.errors import RecipeError
    from ganforge.plugins.loading import load_catalogue
    from ganforge.runs.evaluation import EvaluationRequest
    from ganforge.runs.evaluator import Evaluator
    from ganforge.runs.sampling import choose_device
    from ganforge.storage.layout import RunLayout

    request = EvaluationRequest(metrics, count, real, features, against, resolution, seed, repeat)
    run = Path(samples)
    of_run = RunLayout(run).recipe.is_file()
    given = {"--checkpoint": checkpoints, "--live": live, "--save": save, "--truncation": truncation != 1}
    wrong = [name for name, value in given.items() if value]
    if wrong and not of_run and (run.exists() or against is not None):
        raise RecipeError(
            f"{samples} is not the folder of a run, and only runs have {' and '.join(wrong)}; leave it out"
        )
    with errors_told_once(), _team(device, world) as team, errors_told_once(), _hushed(team), _progress() as progress:
        catalogue, place = load_catalogue(leave_out), choose_device(device) if team is None else team.device
        evaluator = Evaluator(request, catalogue, place, world=World(team), notify=say, progress=progress)
        if of_run:
            found = evaluator.evaluate_run(run, checkpoints, truncation=truncation, live=live)
        else:
            found = evaluator.evaluate_files(samples)
        if team is not None and not team.is_main_process:
            return 0
        if save:
            say(f"appended to {found.save(run)}")
        if as_json:
            click.echo(json.dumps(found.to_json(), indent=2, ensure_ascii=False))
        else:
            click.echo("\n".join(evaluation_lines(found, terminal_width())))
    return 0


@contextmanager
def _team(device: str, world: int | None) -> Iterator[Accelerator | None]:
    """Join the other processes; None where there are none."""
    if world is None or world == 1:
        yield None
        return
    import torch

    from ganforge.training.build import make_accelerator

    team = make_accelerator(device, "no", world)
    try:
        yield team
    finally:
        torch.distributed.destroy_process_group()


def _hushed(team: Accelerator | None) -> AbstractContextManager[object]:
    """Let only the main process talk; what goes wrong is said outside, by one of them."""
    return nullcontext() if team is None or team.is_main_process else redirect_stderr(io.StringIO())


@contextmanager
def _progress() -> Iterator[Progress | None]:
    """Say how far it is, on a terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    try:
        yield lambda what, side, done, most: click.echo(
            f"\r\x1b[K  {what}: {done:,} of {most:,} {side} samples", nl=False, err=True
        )
    finally:
        click.echo("\r\x1b[K", nl=False, err=True)
