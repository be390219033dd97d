"""What `ganforge evaluate` measures, and how it tells it."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ganforge.assemble import open_reference
from ganforge.catalogue import Catalogue
from ganforge.checkpoint import PREFIX, saved
from ganforge.choice import CHECKPOINTS, no_run
from ganforge.cli.columns import Marks, Row, columns, direction, legend, plus_minus, table, wrapped
from ganforge.cli.image_sets import like, named, open_pair
from ganforge.errors import GanforgeError, RecipeError
from ganforge.evaluation import Value, adjusted, examine, read_features, read_metric, usual_metrics
from ganforge.folders import cache_folder
from ganforge.plugins import load_catalogue
from ganforge.receipts import describe_data, describe_reference, differing, say
from ganforge.sampling import Trained, load_trained, pick_device
from ganforge.subject import GameSubject, Networks, SourceSubject, Subject
from ganforge.tracking import read_record

if TYPE_CHECKING:
    from ganforge.data import Source
    from ganforge.families import Metric
    from ganforge.metric import Receipt

ENOUGH = 10_000  # generated samples below which a value is told with a warning
NETWORK = ("features", "weights-sha256", "resizer")  # what receipts say of a feature network
APART = ("metric", "images_shown", "seed", "warning", "reference", "reference-data", "reference-samples")


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

    def chosen(self, recipes: Sequence[Metric], reference: Source, catalogue: Catalogue) -> tuple[Metric, ...]:
        """Return the metrics: those named, or else the recipe's, or else what is usual for such samples and can be."""
        metrics = tuple(read_metric(text, catalogue) for text in self.metrics) or tuple(recipes)
        features = None if self.features is None else read_features(self.features, catalogue)
        changes: dict[str, Any] = {"samples": self.samples, "real": self.real, "features": features}
        if metrics:
            return adjusted(metrics, catalogue, **changes)
        return adjusted(usual_metrics(reference, catalogue), catalogue, _leave_out, **changes)

    def spare(self, recipes: Sequence[Metric]) -> Callable[[str], None] | None:
        """Return who is told that a metric cannot be measured; None where somebody asked for each of them."""
        return None if self.metrics or recipes else _leave_out

    def seeds(self, usual: int) -> tuple[int, ...]:
        """Return the seeds that samples are drawn with."""
        first = usual if self.seed is None else self.seed
        return tuple(range(first, first + self.repeat))


def _leave_out(reason: str) -> None:
    click.echo(f"left out: {reason}", err=True)


@dataclass(frozen=True)
class Column:
    """What was measured of one checkpoint, or of one set of files."""

    head: str
    images: int | None
    values: tuple[Value, ...]


@dataclass(frozen=True)
class Evaluated:
    """All that was measured.

    Args:
        samples: whose.
        reference: what they are compared with.
        seeds: that they were drawn with.
        columns: one for each checkpoint.
    """

    samples: str
    reference: str
    seeds: tuple[int, ...]
    columns: tuple[Column, ...]

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON takes it: not a number where a value is not finite becomes null."""
        return {
            "samples": self.samples,
            "reference": self.reference,
            "seeds": list(self.seeds),
            "results": [
                {
                    "images": column.images,
                    "metric": value.metric,
                    "name": value.name,
                    "better": value.better,
                    "values": [_finite(single) for single in value.values],
                    "mean": _finite(value.mean),
                    "std": None if value.std is None else _finite(value.std),
                    "receipt": dict(value.receipt),
                }
                for column in self.columns
                for value in column.values
            ],
        }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def evaluate_run(run: Path, asked: Asked, checkpoints: Sequence[str], truncation: float, live: bool) -> Evaluated:
    """Measure samples of checkpoints of a run.

    Raises:
        GanforgeError: a checkpoint, the data or a metric cannot be had.
    """
    catalogue = load_catalogue(asked.leave_out)
    device, cache = pick_device(asked.device), cache_folder()
    networks = Networks(device)
    wanted: list[str | None] = [*_every(run, checkpoints)] or [None]
    columns: list[Column] = []
    compared, seeds = "", asked.seeds(0)
    for checkpoint in wanted:
        trained = load_trained(run, catalogue, device, checkpoint=checkpoint, live=live)
        for notice in trained.notices if not columns else ():
            click.echo(notice, err=True)
        compared, reference = _reference(trained, asked.against, catalogue, cache)
        seeds = asked.seeds(trained.recipe.seed)
        metrics = asked.chosen(trained.recipe.metrics, reference, catalogue)

        def subject(seed: int, trained: Trained = trained) -> Subject:
            ema = bool(trained.averaged)
            return GameSubject(trained.game, trained.spec, networks, seed, truncation=truncation, ema=ema)

        more: Receipt = {"images_shown": trained.images, "reference-data": compared}
        with _telling(f"{run} after {trained.images:,} images") as tell:
            spare = asked.spare(trained.recipe.metrics)
            values = examine(subject, reference, metrics, seeds, networks, cache, more=more, tell=tell, spare=spare)
        head = f"{trained.images:,}" + (f" ({checkpoint})" if checkpoint == "best" else "")
        columns.append(Column(head, trained.images, tuple(values)))
    return Evaluated(str(run), compared, seeds, tuple(columns))


def _every(run: Path, checkpoints: Sequence[str]) -> Iterator[str]:
    for checkpoint in dict.fromkeys(checkpoints):
        if checkpoint == "all":
            yield from (str(int(path.name.removeprefix(PREFIX))) for path in saved(run / CHECKPOINTS))
        else:
            yield checkpoint


def _reference(trained: Trained, against: str | None, catalogue: Catalogue, cache: Path) -> tuple[str, Source]:
    """Open what a run's samples are compared with; return it with its name."""
    recipe = trained.recipe
    if against is not None:
        data = like(named(against, catalogue), trained.spec)
        return describe_data(data), open_reference(data, trained.spec, cache, "--against")
    key = "data" if recipe.reference is None else "reference"
    try:
        source = open_reference(recipe.reference or recipe.data, trained.spec, cache, key)
    except GanforgeError as error:
        place = read_record(trained.run).get("working_folder")
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
            f"{no_run(Path(samples))}; or name a folder or ZIP of images, and with --against what to compare it with"
        )
    device, cache = pick_device(asked.device), cache_folder()
    networks = Networks(device)
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
        spare = asked.spare(())
        values = examine(subject, reference, metrics, seeds, networks, cache, more=more, tell=tell, spare=spare)
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


def lines(found: Evaluated) -> Iterator[str]:
    """Say it on a terminal: values, which way they are better, and what they depend on."""
    width, marks = columns(), Marks()
    names = {value.name: value for column in found.columns for value in column.values}
    rows = []
    for name, first in names.items():
        values = [next((value for value in column.values if value.name == name), None) for column in found.columns]
        letters = marks.line([None if value is None else value.receipt for value in values])
        cells = [
            "-" if value is None else f"{plus_minus(value.mean, value.std)} {letter}".rstrip()
            for value, letter in zip(values, letters, strict=True)
        ]
        rows.append(Row(direction(name, first.better), tuple(cells)))
    one = found.columns[0] if len(found.columns) == 1 else None
    after = f" after {one.images:,} images" if one is not None and one.images is not None else ""
    yield from wrapped(f"{found.samples}{after} against {found.reference}", width)
    yield ""
    heads = [column.head for column in found.columns] if one is None else ["value"]
    yield from table(heads, rows, width, "" if one is not None else "after so many images")
    yield ""
    betters = [value.better for value in names.values()]
    more = [f"mean ± standard deviation over {len(found.seeds)} seeds"] if len(found.seeds) > 1 else []
    yield "  " + "; ".join([legend(betters), *more])
    yield from marks.say(width)
    yield from _receipts(list(names.values()), found, width)


def _receipts(values: Sequence[Value], found: Evaluated, width: int) -> Iterator[str]:
    """Say what values depend on: first what all have in common, then what each has of its own."""
    receipts = [value.receipt for value in values]
    common = {
        name: entry
        for name, entry in receipts[0].items()
        if name not in APART and all(other.get(name) == entry for other in receipts)
    }
    yield ""
    seeds = f"seed {found.seeds[0]}" if len(found.seeds) == 1 else f"seeds {found.seeds[0]} to {found.seeds[-1]}"
    real = {str(say("reference", receipt)): receipt for receipt in receipts if "reference" in receipt}
    said = [f"{text}, {receipt['reference-samples']:,} samples" for text, receipt in real.items()]
    shared = [*said, seeds, *(say(name, receipts[0]) for name in common)]
    yield from wrapped(f"receipt: {', '.join(shared)}", width, "  ", "    ")
    seen: list[tuple[list[str], Mapping[str, Any]]] = []
    for value in values:
        same = next((names for names, receipt in seen if not differing(receipt, value.receipt)), None)
        if same is None:
            seen.append(([value.name], value.receipt))
        else:
            same.append(value.name)
    networks = dict.fromkeys(tuple(receipt.get(name) for name in NETWORK) for _, receipt in seen)
    for network in networks if len(networks) > 1 else ():
        if network[0] is not None:
            told = dict(zip(NETWORK, network, strict=True))
            yield from wrapped(", ".join(say(name, told) for name in NETWORK), width, "  ", "    ")
    for names, receipt in seen if len(seen) > 1 else ():
        own = [say(name, receipt) for name in receipt if name not in {*common, *APART, *NETWORK[1:]}]
        yield from wrapped(f"{', '.join(names)}: {', '.join(own) or 'nothing else'}", width, "  ", "    ")
    yield from _warnings(receipts, width)


def _warnings(receipts: Sequence[Mapping[str, Any]], width: int) -> Iterator[str]:
    said = [str(receipt["warning"]) for receipt in receipts if receipt.get("warning")]
    few = [
        receipt["fake"] for receipt in receipts if not receipt.get("warning") and receipt.get("fake", ENOUGH) < ENOUGH
    ]
    if few:
        said.append(f"{min(few):,} samples are fewer than {ENOUGH:,}: compare at equal counts only")
    for text in dict.fromkeys(said):
        yield from (click.style(line, fg="yellow") for line in wrapped(f"! {text}", width, "  ", "    "))
