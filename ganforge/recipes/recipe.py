"""The recipe of one experiment: everything that decides its result, in one TOML file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, NonNegativeInt, PositiveInt, field_validator, model_validator

from ganforge.api.component import KindLookup, Strict, classes_of
from ganforge.api.families import Metric, Monitor, metric_directions
from ganforge.api.game import GameComponent
from ganforge.api.monitor import Action
from ganforge.api.plan import Plan
from ganforge.api.slots import AnyDataset, AnyMetric, AnyMonitor, Slot
from ganforge.errors import RecipeError, did_you_mean
from ganforge.plugins.catalogue import Catalogue
from ganforge.plugins.loading import load_catalogue
from ganforge.recipes.explain import MAX_EXPLAINED, Mistake, RecipeSources, report, validate
from ganforge.recipes.overrides import apply_overrides, parse_override
from ganforge.recipes.parsing import find_excesses, parse_text, read_text
from ganforge.recipes.positions import positions

AnyGame = Annotated[GameComponent, Slot(GameComponent)]


def _no_fp16(value: Any) -> Any:
    if value in ("fp16", "float16", "half"):
        raise ValueError(
            "fp16 is not offered: the gradients of penalties such as R1 leave its range, and a loss scale would have "
            "to follow every turn of every player by itself; use 'bf16', which has the range of float32, or 'no'"
        )
    return value


Precision = Annotated[Literal["no", "bf16"], BeforeValidator(_no_fp16)]


class BatchRecipe(Strict):
    """Another batch from somewhere on."""

    after_images: PositiveInt = Field(description="images shown from which on it holds")
    batch: PositiveInt = Field(le=2**24, description="images in a round, over all processes")


class RunRecipe(Strict):
    """How long to train, and in what portions."""

    images: PositiveInt = Field(description="images shown to the discriminator until the end")
    batch: PositiveInt = Field(le=2**24, description="images in a round, over all processes")
    microbatches: PositiveInt = Field(
        default=1, le=2**24, description="portions that a batch is computed in, to save memory"
    )
    precision: Precision = Field(default="no", description="mixed precision: bf16, or no for float32")
    log_every_images: PositiveInt = Field(default=1_000, description="images shown between log lines")
    sync_batchnorm: bool = Field(
        default=False, description="BatchNorm takes its statistics over all processes, not over each one's share"
    )
    check_ranks_every: PositiveInt | None = Field(
        default=None, description="rounds between comparisons of all processes' state, to the bit; for finding faults"
    )
    batches: tuple[BatchRecipe, ...] = Field(default=(), description="other batches later on, in order of images shown")

    @model_validator(mode="after")
    def _check(self) -> RunRecipe:
        for batch in (self.batch, *(later.batch for later in self.batches)):
            if batch % self.microbatches:
                portions = f"microbatches = {self.microbatches} equal portions"
                raise ValueError(f"batch = {batch} cannot be cut into {portions}; expected a divisor")
        starts = [later.after_images for later in self.batches]
        if starts != sorted(set(starts)):
            after = ", ".join(map(str, starts))
            raise ValueError(
                f"batches begin after {after} images shown; expected each to begin after the one before it"
            )
        return self


class GridRecipe(Strict):
    """The picture of fixed latents, drawn between rounds."""

    every_images: PositiveInt = Field(default=10_000, description="images shown between grids")
    samples: PositiveInt = Field(default=64, le=65_536, description="samples in a grid")
    truncation: float = Field(default=1.0, gt=0, le=1, description="less variety, more likeness; 1 = none")


class CheckpointRecipe(Strict):
    """What is kept on disk to resume from."""

    every_images: PositiveInt = Field(default=50_000, description="images shown between checkpoints")
    keep: int = Field(default=2, ge=2, description="newest checkpoints to keep")
    best: str | None = Field(default=None, description="name of the metric value whose best checkpoint is kept too")
    for_good_every_images: PositiveInt | None = Field(
        default=None, description="images shown between checkpoints that are never deleted; left out: none"
    )


class DiagnosisRecipe(Strict):
    """How the run is watched for signs that training fails; `ganforge diagnose RUN` tells again what was found."""

    standard: bool = Field(
        default=True, description="every installed monitor watches with its defaults, beside those in [[monitors]]"
    )
    ignore: tuple[str, ...] = Field(default=(), description="kinds of monitors that are to keep silent")
    action: Action = Field(
        default="warn",
        description="what follows a failure: warn; stop; or roll-back to the best checkpoint, else one before it",
    )
    samples: int = Field(
        default=64, ge=0, le=1_024, description="generated samples looked at for a log line, at most; 0 = none"
    )
    held_out: AnyDataset | None = Field(
        default=None, description="real samples never trained on, which tell whether the discriminator overfits"
    )


class TrackingRecipe(Strict):
    """Where the run is recorded, beside its own folder.

    Without a `uri` that is `sqlite:///mlflow.db` in the working folder, which `mlflow ui` opens by itself (seen in
    MLflow 3.17; where the folder holds experiments of an older MLflow in `mlruns`, it opens those instead).
    """

    kind: Literal["mlflow", "none"] = Field(default="mlflow", description="mlflow, or none for the run's folder alone")
    uri: str | None = Field(default=None, description="tracking server or database; left out: mlflow.db right here")
    experiment: str = Field(default="ganforge", min_length=1, description="experiment that the run belongs to")
    name: str | None = Field(default=None, description="name of the run; left out: the recipe's name and the time")


class Recipe(Strict):
    """Everything that decides the result of an experiment."""

    seed: NonNegativeInt = Field(default=0, description="all random numbers follow from it")
    data: AnyDataset = Field(description="where real samples come from")
    run: RunRecipe = Field(description="how long to train, and in what portions")
    game: AnyGame = Field(description="the GAN family, its players and what they minimise")
    metrics: tuple[AnyMetric, ...] = Field(default=(), description="what is measured between rounds")
    reference: AnyDataset | None = Field(
        default=None, description="real samples that metrics compare with; left out: the data that are learnt from"
    )
    monitors: tuple[AnyMonitor, ...] = Field(default=(), description="monitors with other settings than their defaults")
    diagnosis: DiagnosisRecipe = Field(default=DiagnosisRecipe(), description="watching for signs of failure")
    grid: GridRecipe = Field(default=GridRecipe(), description="the picture of fixed latents")
    checkpoints: CheckpointRecipe = Field(default=CheckpointRecipe(), description="what is kept to resume from")
    tracking: TrackingRecipe = Field(default=TrackingRecipe(), description="where the run is recorded")

    @field_validator("metrics")
    @classmethod
    def _tell_different_names(cls, metrics: tuple[Metric, ...]) -> tuple[Metric, ...]:
        """Raise a ValueError where two metrics tell values of one name: one would hide the other's in the log."""
        told: dict[str, int] = {}
        for number, metric in enumerate(metrics):
            for name in metric.directions():
                if name in told:
                    raise ValueError(f"metrics.{told[name]} and metrics.{number} both tell '{name}'; keep one of them")
                told[name] = number
        return metrics


def read_recipe(
    path: Path | str,
    catalogue: Catalogue | None = None,
    overrides: Sequence[str] = (),
    tell: Callable[[str], None] | None = None,
) -> Recipe:
    """Read a recipe file.

    Args:
        path: of the TOML file.
        catalogue: the installed components; None = as they are now.
        overrides: each `a.b.c=VALUE`; later ones win.
        tell: is given what a person should know though nothing is wrong, such as fields that an override left out.

    Raises:
        RecipeError: all that is wrong with it, each with file, line and column.
    """
    components = load_catalogue() if catalogue is None else catalogue
    return parse_recipe(read_text(Path(path)), str(path), components, overrides, tell)


def parse_recipe(
    text: str,
    name: str,
    catalogue: Catalogue,
    overrides: Sequence[str] = (),
    tell: Callable[[str], None] | None = None,
) -> Recipe:
    """Read a recipe from its text; `name` stands for the file in messages. See `read_recipe`."""
    raw = parse_text(text, name)
    changes = [parse_override(override) for override in overrides]
    notices = apply_overrides(raw, changes, Recipe, catalogue)
    sources = RecipeSources(name, positions(text), changes)
    too_much = report((Mistake(path, words) for path, words in islice(find_excesses(raw), MAX_EXPLAINED)), sources)
    if too_much is not None:
        raise RecipeError(too_much)
    recipe = validate(Recipe, raw, catalogue, sources)
    if tell is not None:
        for notice in notices:
            tell(notice)
    return recipe


def recipe_digest(recipe: Recipe) -> str:
    """Return the SHA-256 of a recipe with all its defaults, as canonical JSON; 64 hexadecimal digits."""
    content = json.dumps(recipe.model_dump(mode="json"), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(content.encode()).hexdigest()


def plan_of(recipe: Recipe, installed: KindLookup | None = None) -> Plan:
    """Return what watchers may know of a run of this recipe, and of the components that there are."""
    return Plan(recipe.model_dump(mode="json", exclude_none=True), metric_directions(recipe.metrics), installed)


def monitors_of(recipe: Recipe, kinds: KindLookup) -> tuple[Monitor, ...]:
    """Return the monitors of a recipe: those it lists, and the installed ones with their defaults where it wants them.

    Raises:
        RecipeError: `diagnosis.ignore` names a monitor that is not installed.
    """
    installed = classes_of(kinds, Monitor)
    wanted = recipe.diagnosis
    for kind in wanted.ignore:
        if kind not in installed:
            known = ", ".join(sorted(installed)) or "none"
            hint = did_you_mean(kind, installed)
            raise RecipeError(f"diagnosis.ignore: there is no monitor '{kind}'{hint} (installed: {known})")
    listed = [monitor for monitor in recipe.monitors if monitor.kind not in wanted.ignore]
    known_kinds = {monitor.kind for monitor in recipe.monitors} | set(wanted.ignore)
    standard = standard_monitors(kinds) if wanted.standard else ()
    more = [monitor for monitor in standard if monitor.kind not in known_kinds]
    return tuple(sorted([*listed, *more], key=lambda monitor: monitor.rank))


def standard_monitors(kinds: KindLookup) -> tuple[Monitor, ...]:
    """Return the installed monitors that watch unless a recipe says otherwise, with their defaults, by rank."""
    classes = sorted(classes_of(kinds, Monitor).items())
    made = [cls.model_validate({}) for _, cls in classes if cls.standard]
    return tuple(sorted(made, key=lambda monitor: monitor.rank))
