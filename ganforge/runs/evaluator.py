"""Evaluator: measures any metric of any checkpoint of a run, or of files of images."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import torch

from ganforge.api.data import Source
from ganforge.api.families import Dataset, Metric
from ganforge.api.metric import Receipt
from ganforge.distributed.world import World
from ganforge.errors import GanforgeError, OnLeftOut, RecipeError, argument
from ganforge.evaluation.batch import FeatureNetworks
from ganforge.evaluation.evaluate import MetricValue, evaluate
from ganforge.evaluation.receipts import describe_data, describe_reference
from ganforge.evaluation.subject import GameSubject, SourceSubject, Subject
from ganforge.plugins.catalogue import Catalogue
from ganforge.recipes.fragments import Fragment, adjusted, read_features, read_metric, usual_metrics
from ganforge.runs.evaluation import EvaluatedSamples, Evaluation, EvaluationRequest
from ganforge.runs.image_sets import named, open_pair, sized
from ganforge.runs.sampling import LoadedGame, check_truncation, load_game
from ganforge.storage.checkpoint import list_checkpoints
from ganforge.storage.folders import cache_folder
from ganforge.storage.layout import RunLayout, images_of
from ganforge.storage.lookup import explain_no_run
from ganforge.tracking import read_run_json
from ganforge.training.assemble import open_reference

Notify = Callable[[str], None]  # is told what a person should know
Progress = Callable[[str, str, int, int], None]  # is told of whose samples, which side, how many, of how many


class Evaluator:
    """Measures samples of runs and of files, as a request wants it.

    Args:
        request: what is to be measured.
        catalogue: the installed components.
        device: to look on.
        world: the processes that share the work; the main one has the values.
        notify: is told what a person should know.
        progress: is told how far it is.
    """

    def __init__(
        self,
        request: EvaluationRequest,
        catalogue: Catalogue,
        device: torch.device,
        *,
        world: World | None = None,
        notify: Notify,
        progress: Progress | None = None,
    ) -> None:
        self.request, self.catalogue, self.device = request, catalogue, device
        self.world, self.notify, self.progress = world or World(), notify, progress
        self.cache, self.networks = cache_folder(), FeatureNetworks(device)

    def evaluate_run(
        self, run: Path, checkpoints: Sequence[str] = (), *, truncation: float = 1.0, live: bool = False
    ) -> Evaluation:
        """Measure what checkpoints of a run draw.

        Args:
            run: its folder.
            checkpoints: images shown when they were saved, "best", "all", or folders; none = the newest.
            truncation: in (0, 1]; less variety, more likeness.
            live: the weights as trained, without their average.

        Raises:
            GanforgeError: a checkpoint, the data or a metric cannot be had.
        """
        if self.request.resolution is not None:
            raise RecipeError(
                f"{argument('resolution')}: a run's samples are as large as its generator makes them; leave it out"
            )
        check_truncation(truncation)
        columns: list[EvaluatedSamples] = []
        reference: Source | None = None
        wanted: list[str | None] = [*_every(run, checkpoints)]
        for checkpoint in wanted or [None]:
            loaded = load_game(run, self.catalogue, self.device, checkpoint=checkpoint, live=live)
            for notice in loaded.notices if not columns else ():
                self.notify(notice)
            if reference is None:
                compared, reference = self._reference(loaded)
            seeds = self.request.seeds(loaded.recipe.seed)
            ema = bool(loaded.averaged)
            subject = partial(GameSubject, loaded.game, loaded.spec, self.networks, truncation=truncation, ema=ema)
            metrics = self._metrics(loaded.recipe.metrics, reference)
            more: Receipt = {"images_shown": loaded.images, "reference-data": compared}
            on_left_out = None if self.request.metrics or loaded.recipe.metrics else self._leave_out
            what = f"{run} after {loaded.images:,} images"
            values = self._measure(what, subject, reference, seeds, metrics, more, on_left_out)
            name = f"{loaded.images:,}" + (f" ({checkpoint})" if checkpoint == "best" else "")
            columns.append(EvaluatedSamples(name, loaded.images, values))
        return Evaluation(str(run), compared, seeds, tuple(columns))

    def evaluate_files(self, samples: Fragment | Dataset) -> Evaluation:
        """Measure the images of a folder or ZIP, or another data set, against others.

        Raises:
            GanforgeError: one side cannot be read, they are not alike, or a metric cannot be measured of files.
        """
        against = self.request.against
        if against is None:
            raise _nothing_to_compare_with(samples)
        ours, theirs = (named(entry, self.catalogue) for entry in (samples, against))
        data, source, real, reference = open_pair(ours, theirs, self.request.resolution, self.cache, self.notify)
        if source.fingerprint == reference.fingerprint:
            self.notify("both sides hold the very same images")
        what, compared, seeds = describe_data(data), describe_data(real), self.request.seeds(0)
        metrics = self._metrics((), reference)
        if len(seeds) > 1 and all(dict(metric).get("samples", 0) >= len(source) for metric in metrics):
            self.notify(
                f"all {len(source):,} images are looked at with every seed: values differ only by what metrics draw at "
                "random; fewer samples take others each time"
            )

        def subject(seed: int) -> Subject:
            return SourceSubject(source, self.networks, seed, order=seed)

        more: Receipt = {"samples-data": what, "reference-data": compared}
        on_left_out = None if self.request.metrics else self._leave_out
        values = self._measure(what, subject, reference, seeds, metrics, more, on_left_out)
        return Evaluation(what, compared, seeds, (EvaluatedSamples("value", None, values),))

    def _measure(
        self,
        what: str,
        subject: Callable[[int], Subject],
        reference: Source,
        seeds: Sequence[int],
        metrics: Sequence[Metric],
        more: Receipt,
        on_left_out: OnLeftOut | None,
    ) -> tuple[MetricValue, ...]:
        tell = None if self.progress is None else partial(self.progress, what)
        found = evaluate(
            subject, reference, metrics, seeds, self.networks, self.cache,
            more=more, tell=tell, on_left_out=on_left_out, world=self.world,
        )  # fmt: skip
        return tuple(found)

    def _metrics(self, of_recipe: Sequence[Metric], reference: Source) -> tuple[Metric, ...]:
        """Return the metrics: those asked for, or else the recipe's, or else what is usual for such samples."""
        asked = self.request
        metrics = tuple(read_metric(entry, self.catalogue) for entry in asked.metrics) or tuple(of_recipe)
        features = None if asked.features is None else read_features(asked.features, self.catalogue)
        on_left_out = None if metrics else self._leave_out
        metrics = metrics or usual_metrics(reference, self.catalogue)
        said, real = asked.samples, asked.real
        return adjusted(metrics, self.catalogue, on_left_out, samples=said, real=real, features=features)

    def _leave_out(self, reason: str) -> None:
        self.notify(f"left out: {reason}")

    def _reference(self, loaded: LoadedGame) -> tuple[str, Source]:
        """Open what a run's samples are compared with; return it with its name."""
        recipe, against = loaded.recipe, self.request.against
        if against is not None:
            data, spec = named(against, self.catalogue), loaded.spec
            data = sized(data, spec.resolution, spec.channels) if len(spec.shape) == 3 else data
            return describe_data(data), open_reference(data, spec, self.cache, argument("against"))
        key = "data" if recipe.reference is None else "reference"
        try:
            source = open_reference(recipe.reference or recipe.data, loaded.spec, self.cache, key)
        except GanforgeError as error:
            folder = read_run_json(loaded.run).get("working_folder")
            place = f" ({folder})" if folder else ""
            raise RecipeError(
                f"{loaded.run}: the real samples that it is compared with cannot be opened: {error.text}; go to the "
                f"folder where it was trained{place}, or name others with {argument('against')}"
            ) from error
        return describe_reference(recipe.data, recipe.reference), source


def _every(run: Path, checkpoints: Sequence[str]) -> Iterator[str]:
    for checkpoint in dict.fromkeys(checkpoints):
        if checkpoint == "all":
            yield from (str(images_of(path)) for path in list_checkpoints(RunLayout(run).checkpoints))
        else:
            yield checkpoint


def _nothing_to_compare_with(samples: Fragment | Dataset) -> RecipeError:
    if isinstance(samples, str) and not Path(samples).exists():
        return RecipeError(
            f"{explain_no_run(Path(samples))}; or name a folder or ZIP of images, and with {argument('against')} what "
            "to compare it with"
        )
    return RecipeError(
        f"{samples} is not the folder of a run; images are compared with others: name these with {argument('against')}"
    )
