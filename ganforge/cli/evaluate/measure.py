"""What `ganforge evaluate` measures: samples of a run, or of files."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ganforge.cli.evaluate.arguments import adjusted, read_features, read_metric, usual_metrics
from ganforge.cli.evaluate.image_sets import like, named, open_pair
from ganforge.cli.evaluate.report import Column, Evaluated
from ganforge.distributed.world import World
from ganforge.errors import GanforgeError, RecipeError
from ganforge.evaluation.batch import FeatureNetworks
from ganforge.evaluation.evaluate import evaluate
from ganforge.evaluation.receipts import describe_data, describe_reference
from ganforge.evaluation.subject import GameSubject, SourceSubject, Subject
from ganforge.plugins.catalogue import Catalogue
from ganforge.plugins.loading import load_catalogue
from ganforge.runs.sampling import LoadedGame, choose_device, load_game
from ganforge.storage.checkpoint import PREFIX, list_checkpoints
from ganforge.storage.folders import cache_folder
from ganforge.storage.lookup import CHECKPOINTS, explain_no_run
from ganforge.tracking import read_run_json
from ganforge.training.assemble import open_reference

if TYPE_CHECKING:
    import torch
    from accelerate import Accelerator

    from ganforge.api.data import Source
    from ganforge.api.families import Metric
    from ganforge.api.metric import Receipt


@dataclass(frozen=True)
class Asked:
    """What the command line asked for, whoever's samples are measured; see `ganforge evaluate --help`."""

    metrics: tuple[str, ...] = ()
    samples: int | None = None
    real: int | None = None
    features: str | None = None
    against: str | None = None
    resolution: int | None = None
    seed: int | None = None
    repeat: int = 1
    device: str = "auto"
    leave_out: tuple[str, ...] = ()
    team: Accelerator | None = None  # knows the other processes; None = there are none

    @property
    def place(self) -> torch.device:
        """The device to look on."""
        return choose_device(self.device) if self.team is None else self.team.device

    def chosen(self, recipes: Sequence[Metric], reference: Source, catalogue: Catalogue) -> tuple[Metric, ...]:
        """Return the metrics: those named, or else the recipe's, or else what is usual for such samples and can be."""
        metrics = tuple(read_metric(text, catalogue) for text in self.metrics) or tuple(recipes)
        features = None if self.features is None else read_features(self.features, catalogue)
        changes: dict[str, Any] = {"samples": self.samples, "real": self.real, "features": features}
        if metrics:
            return adjusted(metrics, catalogue, **changes)
        return adjusted(usual_metrics(reference, catalogue), catalogue, _leave_out, **changes)

    def on_left_out(self, recipes: Sequence[Metric]) -> Callable[[str], None] | None:
        """Return who is told that a metric cannot be measured; None where somebody asked for each of them."""
        return None if self.metrics or recipes else _leave_out

    def seeds(self, usual: int) -> tuple[int, ...]:
        """Return the seeds that samples are drawn with."""
        first = usual if self.seed is None else self.seed
        return tuple(range(first, first + self.repeat))


def _leave_out(reason: str) -> None:
    click.echo(f"left out: {reason}", err=True)


def evaluate_run(run: Path, asked: Asked, checkpoints: Sequence[str], truncation: float, live: bool) -> Evaluated:
    """Measure samples of checkpoints of a run.

    Raises:
        GanforgeError: a checkpoint, the data or a metric cannot be had.
    """
    catalogue = load_catalogue(asked.leave_out)
    device, cache, world = asked.place, cache_folder(), World(asked.team)
    networks = FeatureNetworks(device)
    wanted: list[str | None] = [*_every(run, checkpoints)] or [None]
    columns: list[Column] = []
    compared, seeds = "", asked.seeds(0)
    for checkpoint in wanted:
        trained = load_game(run, catalogue, device, checkpoint=checkpoint, live=live)
        for notice in trained.notices if not columns else ():
            click.echo(notice, err=True)
        compared, reference = _reference(trained, asked.against, catalogue, cache)
        seeds = asked.seeds(trained.recipe.seed)
        metrics = asked.chosen(trained.recipe.metrics, reference, catalogue)

        def subject(seed: int, trained: LoadedGame = trained) -> Subject:
            ema = bool(trained.averaged)
            return GameSubject(trained.game, trained.spec, networks, seed, truncation=truncation, ema=ema)

        more: Receipt = {"images_shown": trained.images, "reference-data": compared}
        with _telling(f"{run} after {trained.images:,} images") as tell:
            on_left_out = asked.on_left_out(trained.recipe.metrics)
            values = evaluate(
                subject,
                reference,
                metrics,
                seeds,
                networks,
                cache,
                more=more,
                tell=tell,
                on_left_out=on_left_out,
                world=world,
            )
        head = f"{trained.images:,}" + (f" ({checkpoint})" if checkpoint == "best" else "")
        columns.append(Column(head, trained.images, tuple(values)))
    return Evaluated(str(run), compared, seeds, tuple(columns))


def _every(run: Path, checkpoints: Sequence[str]) -> Iterator[str]:
    for checkpoint in dict.fromkeys(checkpoints):
        if checkpoint == "all":
            yield from (str(int(path.name.removeprefix(PREFIX))) for path in list_checkpoints(run / CHECKPOINTS))
        else:
            yield checkpoint


def _reference(trained: LoadedGame, against: str | None, catalogue: Catalogue, cache: Path) -> tuple[str, Source]:
    """Open what a run's samples are compared with; return it with its name."""
    recipe = trained.recipe
    if against is not None:
        data = like(named(against, catalogue), trained.spec)
        return describe_data(data), open_reference(data, trained.spec, cache, "--against")
    key = "data" if recipe.reference is None else "reference"
    try:
        source = open_reference(recipe.reference or recipe.data, trained.spec, cache, key)
    except GanforgeError as error:
        place = read_run_json(trained.run).get("working_folder")
        there = f"go to the folder where it was trained ({place})" if place else "go to the folder where it was trained"
        raise RecipeError(
            f"{trained.run}: the real samples that it is compared with cannot be opened: {error}; {there}, or name "
            "others with --against"
        ) from error
    return describe_reference(recipe.data, recipe.reference), source


def evaluate_files(samples: str, asked: Asked) -> Evaluated:
    """Measure the images of a folder or ZIP against others.

    Raises:
        GanforgeError: one side cannot be read, they are not alike, or a metric cannot be measured of files.
    """
    catalogue = load_catalogue(asked.leave_out)
    if asked.against is None:
        if Path(samples).exists():
            raise RecipeError(
                f"{samples} is not the folder of a run; images are compared with others: name these with --against"
            )
        raise RecipeError(
            f"{explain_no_run(Path(samples))}; or name a folder or ZIP of images, and with --against what to compare "
            "it with"
        )
    device, cache, world = asked.place, cache_folder(), World(asked.team)
    networks = FeatureNetworks(device)
    data, source, real, reference = open_pair(
        named(samples, catalogue), named(asked.against, catalogue), asked.resolution, cache
    )
    if source.fingerprint == reference.fingerprint:
        click.echo("both sides hold the very same images", err=True)
    seeds = asked.seeds(0)
    metrics = asked.chosen((), reference, catalogue)
    compared = describe_data(real)
    more: Receipt = {"samples-data": describe_data(data), "reference-data": compared}
    if asked.repeat > 1 and all(dict(metric).get("samples", 0) >= len(source) for metric in metrics):
        click.echo(
            f"all {len(source):,} images are looked at with every seed: values differ only by what metrics draw at "
            "random; --samples with fewer takes others each time",
            err=True,
        )

    def subject(seed: int) -> Subject:
        return SourceSubject(source, networks, seed, order=seed)

    with _telling(samples) as tell:
        on_left_out = asked.on_left_out(())
        values = evaluate(
            subject,
            reference,
            metrics,
            seeds,
            networks,
            cache,
            more=more,
            tell=tell,
            on_left_out=on_left_out,
            world=world,
        )
    return Evaluated(describe_data(data), compared, seeds, (Column("value", None, tuple(values)),))


@contextmanager
def _telling(what: str) -> Iterator[Callable[[str, int, int], None] | None]:
    """Say how far it is, on a terminal."""
    if not sys.stderr.isatty():
        yield None
        return

    def tell(side: str, done: int, most: int) -> None:
        click.echo(f"\r\x1b[K  {what}: {done:,} of {most:,} {side} samples", nl=False, err=True)

    try:
        yield tell
    finally:
        click.echo("\r\x1b[K", nl=False, err=True)
