"""The layout of a run's folder: the one place where the names of its files stand."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

PREFIX = "images-"  # what the name of a checkpoint or grid begins with, before the images shown when it was made


@dataclass(frozen=True)
class RunLayout:
    """The files of a run, whether they are there or not.

    Args:
        folder: of the run.
    """

    folder: Path

    @property
    def recipe(self) -> Path:
        """The recipe with every default filled in; a folder that has it is that of a run."""
        return self.folder / "recipe.toml"

    @property
    def run_json(self) -> Path:
        """Where, when and by which command the run was played, and how it ended."""
        return self.folder / "run.json"

    @property
    def metrics(self) -> Path:
        """The log: terms, readings and metrics, a line for so many images shown."""
        return self.folder / "metrics.jsonl"

    @property
    def events(self) -> Path:
        """Findings and notices, a line each."""
        return self.folder / "events.jsonl"

    @property
    def evaluations(self) -> Path:
        """What `ganforge evaluate --save` measured, a line a seed."""
        return self.folder / "evaluations.jsonl"

    @property
    def checkpoints(self) -> Path:
        """The folder of checkpoints, see `storage/checkpoint.py`."""
        return self.folder / "checkpoints"

    @property
    def grids(self) -> Path:
        """The folder of pictures: of fixed latents, and of real samples."""
        return self.folder / "grids"

    @property
    def real_grid(self) -> Path:
        """The picture of real samples."""
        return self.grids / "real.png"

    def grid(self, images: int) -> Path:
        """Return the picture of fixed latents after so many images shown."""
        return self.grids / f"{images_name(images)}.png"

    def all_grids(self) -> list[Path]:
        """Return the pictures of fixed latents that are there, oldest first."""
        return sorted(self.grids.glob(f"{PREFIX}*.png"))

    @property
    def samples(self) -> Path:
        """The folder of what `ganforge sample` drew."""
        return self.folder / "samples"

    @property
    def traceback(self) -> Path:
        """The traceback of a run that ended by an error."""
        return self.folder / "traceback.txt"

    @property
    def lock(self) -> Path:
        """The lock of the process that plays the run."""
        return self.folder / ".lock"

    @property
    def mlflow(self) -> Path:
        """What was mirrored into MLflow so far, and what hinders it."""
        return self.folder / "mlflow.json"

    @property
    def mlflow_lock(self) -> Path:
        """The lock of the process that mirrors the run into MLflow."""
        return self.folder / ".mlflow.lock"


def images_name(images: int) -> str:
    """Return the name, without a suffix, of what was made after so many images shown: names sort as the images do."""
    return f"{PREFIX}{images:012d}"


def images_of(path: Path) -> int:
    """Return the images shown that the name of a checkpoint or grid tells."""
    return int(path.stem.removeprefix(PREFIX))
