"""`ganforge sample`: new samples from a run's folder."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ganforge.cli import options
from ganforge.cli.messages import say

if TYPE_CHECKING:
    from torch import Tensor

    from ganforge.runs.sampling import LoadedGame

MANY = 256  # samples from which on a bar on a terminal shows how far it is


@click.command("sample")
@options.run_folder
@click.option("-n", "--samples", "count", type=click.IntRange(min=1), default=64, show_default=True, help="How many.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Decides which samples.")
@click.option("--truncation", type=float, default=1.0, help="Above 0, at most 1: less variety, more likeness.")
@click.option(
    "--labels",
    metavar="LABELS",
    help="Used in turn. Classes: 3, or 0,1,2, or their names; continuous conditions: --labels='-0.5,0.1; 0.3,1'.",
)
@options.checkpoint
@options.live
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="NAME.png, a grid; NAME.zip or a folder, one PNG each; NAME.npy, numbers [default: a grid in RUN/samples].",
)
@options.force
@options.device
@options.leave_out
def command(
    run: Path,
    count: int,
    seed: int,
    truncation: float,
    labels: str | None,
    checkpoint: str | None,
    live: bool,
    output: Path | None,
    force: bool,
    device: str,
    leave_out: tuple[str, ...],
) -> None:
    """Draw samples from the generator of RUN, the folder of a run; its data set is not needed.

    The same seed gives the same samples, and the first k do not depend on how many are drawn.

    \b
    Examples:
      ganforge sample runs/stylegan2_faces
      ganforge sample runs/stylegan2_faces -n 1000 --truncation 0.7 --output faces.zip
    """
    from ganforge.plugins.loading import load_catalogue
    from ganforge.runs.labels import read_labels
    from ganforge.runs.sample_files import check_output, write_samples
    from ganforge.runs.sampling import choose_device, draw_samples, load_game

    catalogue = load_catalogue(leave_out)
    trained = load_game(run, catalogue, choose_device(device), checkpoint=checkpoint, live=live)
    for notice in trained.notices:
        say(notice)
    classes = None if labels is None else read_labels(labels, trained.spec)
    place = output or _default_place(trained, count, seed, truncation, labels, live)
    check_output(place, trained.spec, force=force or output is None)
    samples = draw_samples(trained, count, seed=seed, labels=classes, truncation=truncation)
    write_samples(_shown(samples, count), place, trained, classes)
    say(_what(trained, count, seed, truncation))
    click.echo(place)


def _default_place(
    trained: LoadedGame, count: int, seed: int, truncation: float, labels: str | None, live: bool
) -> Path:
    from ganforge.storage.layout import RunLayout, images_name

    parts = [images_name(trained.images), f"seed-{seed}", f"n-{count}"]
    parts += [f"truncation-{truncation:g}"] if truncation != 1 else []
    parts += ["labels-" + re.sub(r"[^\w.-]+", "_", labels)[:40]] if labels else []
    parts += ["live"] if live else []
    return RunLayout(trained.run).samples / f"{'-'.join(parts)}.png"


def _what(trained: LoadedGame, count: int, seed: int, truncation: float) -> str:
    weights = f"averaged weights of {' and '.join(trained.averaged)}" if trained.averaged else "weights as trained"
    said = f"{count:,} sample{'s' if count > 1 else ''} after {trained.images:,} images shown, {weights}, seed {seed}"
    return said + (f", truncation {truncation:g}" if truncation != 1 else "")


def _shown(samples: Iterator[Tensor], count: int) -> Iterator[Tensor]:
    """Pass batches on; where there are many, show a bar on a terminal."""
    if count < MANY or not sys.stderr.isatty():
        yield from samples
        return
    with click.progressbar(length=count, file=sys.stderr, label="  drawing") as bar:
        for batch in samples:
            yield batch
            bar.update(len(batch))
