"""The layout of a run's folder: the one place where the names of its files stand."""

from __future__ import annotations

from pathlib import Path

PREFIX = "images-"  # what the name of a checkpoint or grid begins with, before the images shown when it was made


class RunLayout:
    """The files of a run, whether they are there or not.

    Args:
        folder: of the run.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.recipe = folder / "recipe.toml"  # with every default filled in; a folder that has it is that of a run
        self.run_json = folder / "run.json"  # where, when and by which command it was played, and how it ended
        self.metrics = folder / "metrics.jsonl"  # the log: terms, readings and metrics, by images shown
        self.events = folder / "events.jsonl"  # findings and notices
        self.evaluations = folder / "evaluations.jsonl"  # what `ganforge evaluate --save` measured, a line a seed
        self.checkpoints = folder / "checkpoints"  # a folder; see `storage/checkpoint.py`
        self.grids = folder / "grids"  # a folder of pictures: of fixed latents, and of real samples
        self.real_grid = self.grids / "real.png"
        self.samples = folder / "samples"  # a folder: what `ganforge sample` drew
        self.traceback = folder / "traceback.txt"  # of a run that ended by an error
        self.lock = folder / ".lock"  # of the process that plays the run
        self.mlflow = folder / "mlflow.json"  # what was mirrored into MLflow so far, and what hinders it
        self.mlflow_lock = folder / ".mlflow.lock"  # of the process that mirrors the run

    def grid(self, images: int) -> Path:
        """Return the picture of fixed latents after so many images shown."""
        return self.grids / f"{images_name(images)}.png"

    def all_grids(self) -> list[Path]:
        """Return the pictures of fixed latents that are there, oldest first."""
        return sorted(self.grids.glob(f"{PREFIX}*.png"))


def images_name(images: int) -> str:
    """Return the name, without a suffix, of what was made after so many images shown: names sort as the images do."""
    return f"{PREFIX}{images:012d}"


def images_of(path: Path) -> int:
    """Return the images shown that the name of a checkpoint or grid tells."""
    return int(path.stem.removeprefix(PREFIX))


def recipe_file(path: Path) -> Path:
    """Return the file of a recipe: `path` itself, or the recipe of the run whose folder it is."""
    return RunLayout(path).recipe if path.is_dir() else path
