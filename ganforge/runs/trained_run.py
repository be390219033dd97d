"""A trained run as a Python object: what it logged, its pictures, and all that can be done with its weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ganforge.api.families import Metric
from ganforge.errors import RecipeError
from ganforge.plugins.catalogue import Catalogue
from ganforge.plugins.loading import load_catalogue
from ganforge.recipes.fragments import Fragment
from ganforge.recipes.recipe import Recipe, read_recipe
from ganforge.runs.evaluation import Evaluation, EvaluationRequest
from ganforge.runs.evaluator import Evaluator, Notify
from ganforge.runs.export import export_weights
from ganforge.runs.labels import Label, read_labels
from ganforge.runs.replay import RunReplay, replay_run
from ganforge.runs.sample_files import picture_of
from ganforge.runs.sampling import LoadedGame, choose_device, draw_samples, load_game
from ganforge.runs.summary import RunSummary, summarise_run
from ganforge.storage.checkpoint import list_checkpoints
from ganforge.storage.layout import RunLayout, images_of
from ganforge.storage.lookup import explain_no_run
from ganforge.tracking import read_log, read_run_json

if TYPE_CHECKING:
    from PIL.Image import Image


class TrainedRun:
    """A run's folder, finished or not.

    Everything is read when it is asked for, so that a run that goes on tells of more each time.

    Args:
        folder: of the run.
        catalogue: the installed components; None = as they are now.
        notify: is told what a person should know, such as checkpoints that were passed over.

    Raises:
        RecipeError: the folder holds no run.
    """

    def __init__(self, folder: Path | str, catalogue: Catalogue | None = None, notify: Notify = print) -> None:
        self.folder, self.notify = Path(folder), notify
        self.layout = RunLayout(self.folder)
        if not self.layout.recipe.is_file():
            raise RecipeError(explain_no_run(self.folder))
        self.catalogue = load_catalogue() if catalogue is None else catalogue
        self._game: tuple[tuple[object, ...], LoadedGame] | None = None

    def __repr__(self) -> str:
        return f"TrainedRun({str(self.folder)!r}): {self.status}, {self.images:,} images shown"

    @property
    def recipe(self) -> Recipe:
        """The recipe, with every default filled in."""
        return read_recipe(self.layout.recipe, self.catalogue)

    @property
    def record(self) -> Mapping[str, Any]:
        """What `run.json` says: status, reason, versions, device, start and end."""
        return read_run_json(self.folder)

    @property
    def status(self) -> str:
        """How it ended (finished, failed, killed), or that it is running."""
        return str(self.record.get("status", "unknown"))

    @property
    def images(self) -> int:
        """Images shown, as far as the log tells."""
        return max((int(line["images"]) for line in self.log()), default=0)

    @property
    def checkpoints(self) -> list[int]:
        """Images shown when each checkpoint was saved, oldest first."""
        return [images_of(path) for path in list_checkpoints(self.layout.checkpoints)]

    @property
    def metrics(self) -> dict[str, float]:
        """The newest value of each metric; terms and readings have a slash in their names, and are in `log`."""
        return {name: value for line in self.log() for name, value in line["values"].items() if "/" not in name}

    def log(self) -> Sequence[Mapping[str, Any]]:
        """Return the lines of the log: `images`, `round`, `time`, and `values` by name."""
        return read_log(self.layout.metrics)

    def grid(self) -> Image:
        """Return the newest picture of the run's fixed latents.

        Raises:
            RecipeError: none was drawn yet.
        """
        from PIL import Image

        grids = self.layout.all_grids()
        if not grids:
            raise RecipeError(f"{self.folder} has drawn no grid yet")
        with Image.open(grids[-1]) as picture:
            return picture.copy()

    def game(self, *, checkpoint: int | str | None = None, live: bool = False, device: str = "auto") -> LoadedGame:
        """Return the game as a checkpoint left it, ready to sample; the last one asked for is kept.

        Args:
            checkpoint: images shown when it was saved, "best", or its folder; None = the newest.
            live: the weights as trained, without their average.
            device: "auto", "cpu" or "cuda".

        Raises:
            GanforgeError: the checkpoint is missing, damaged, or of another game.
        """
        key = (checkpoint, live, device, *self.checkpoints[-1:])
        if self._game is None or self._game[0] != key:
            wanted = None if checkpoint is None else str(checkpoint)
            loaded = load_game(self.folder, self.catalogue, choose_device(device), checkpoint=wanted, live=live)
            for notice in loaded.notices:
                self.notify(notice)
            self._game = key, loaded
        return self._game[1]

    def sample(
        self,
        count: int = 64,
        *,
        seed: int = 0,
        labels: str | Sequence[Label] | None = None,
        truncation: float = 1.0,
        checkpoint: int | str | None = None,
        live: bool = False,
        device: str = "auto",
    ) -> Tensor:
        """Return new samples [count, *shape] float32 on the CPU, images in [-1, 1]; its data set is not needed.

        The same seed gives the same samples, and the first k do not depend on `count`.

        Args:
            count: how many, at least 1.
            seed: decides which samples.
            labels: used in turn: classes or conditions, or as the command line writes them; None draws them evenly.
            truncation: in (0, 1]; less variety, more likeness.
            checkpoint, live, device: see `game`.
        """
        loaded = self.game(checkpoint=checkpoint, live=live, device=device)
        given = read_labels(labels, loaded.spec) if isinstance(labels, str) else labels
        return torch.cat(list(draw_samples(loaded, count, seed=seed, labels=given, truncation=truncation)))

    def picture(self, samples: Tensor) -> Image:
        """Return a picture of samples [N, *shape]: a grid of images, or as the data show themselves."""
        return picture_of(samples, self.game())

    def evaluate(
        self,
        *metrics: Fragment | Metric,
        checkpoints: Sequence[int | str] = (),
        samples: int | None = None,
        against: Fragment | None = None,
        seed: int | None = None,
        repeat: int = 1,
        truncation: float = 1.0,
        live: bool = False,
        device: str = "auto",
    ) -> Evaluation:
        """Measure what checkpoints draw, in one pass for all metrics; each value has its receipt.

        Args:
            metrics: kinds, tables or components; none = those of the recipe.
            checkpoints: images shown when they were saved, "best", or "all"; none = the newest.
            samples: generated samples, for all metrics; None = as each says.
            against: what they are compared with; None = the recipe's reference, or its data.
            seed: decides which samples; None = the recipe's.
            repeat: with so many seeds.
            truncation: in (0, 1].
            live, device: see `game`.

        Raises:
            GanforgeError: a checkpoint, the data or a metric cannot be had.
        """
        request = EvaluationRequest(metrics, samples=samples, against=against, seed=seed, repeat=repeat)
        evaluator = Evaluator(request, self.catalogue, choose_device(device), notify=self.notify)
        wanted = [str(checkpoint) for checkpoint in checkpoints]
        return evaluator.evaluate_run(self.folder, wanted, truncation=truncation, live=live)

    def export(
        self,
        player: str = "generator",
        output: Path | str | None = None,
        *,
        checkpoint: int | str | None = None,
        live: bool = False,
        force: bool = False,
    ) -> Path:
        """Write a player's weights as a safetensors file that says what it is; return the file.

        Args:
            player: whose weights.
            output: NAME.safetensors; None = PLAYER.safetensors in the run's folder.
            checkpoint, live: see `game`.
            force: replace what is there.

        Raises:
            GanforgeError: there is no such player or checkpoint, or the file cannot be written.
        """
        wanted = None if checkpoint is None else str(checkpoint)
        asked = None if output is None else Path(output)
        place, weights = export_weights(self.folder, player, asked, checkpoint=wanted, live=live, force=force)
        for notice in weights.notices:
            self.notify(notice)
        return place

    def summary(self) -> RunSummary:
        """Return what it came to, for comparisons: recipe by keys, metrics with receipts, findings, speed."""
        return summarise_run(self.folder, self.catalogue)

    def diagnose(self, overrides: Sequence[str] = ()) -> RunReplay:
        """Show the log to the monitors again: what they find, since when, and whether it still holds."""
        return replay_run(self.folder, self.catalogue, overrides)
