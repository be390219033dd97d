"""Options of `ganforge run`, and the folder that they name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ganforge.errors import GanforgeError
from ganforge.storage.folders import new_run, runs_of
from ganforge.storage.layout import recipe_file


@dataclass(frozen=True)
class RunOptions:
    """What the command line asked for; see `ganforge run --help`."""

    recipe: Path
    overrides: tuple[str, ...] = ()
    resume: bool = False
    out: Path | None = None
    device: str = "auto"
    dry_run: bool = False
    quiet: bool = False
    leave_out: tuple[str, ...] = ()
    processes: int | None = None
    seed_group: str | None = None

    @property
    def file(self) -> Path:
        """The recipe's file: that of a run where a run's folder was named."""
        return recipe_file(self.recipe)

    @property
    def name(self) -> str:
        """What runs of this recipe are called."""
        return self.recipe.resolve().name if self.recipe.is_dir() else self.recipe.stem


def choose_folder(options: RunOptions) -> tuple[Path, Path | None]:
    """Return the folder of the run, and that of an earlier one where a new one was made all the same.

    Raises:
        GanforgeError: there is nothing to resume, or no folder can be made.
    """
    newest = next(reversed(runs_of(options.name)), None)
    if options.out is None and not options.resume:
        return new_run(options.name), newest
    folder = options.out or (options.recipe if options.recipe.is_dir() else newest)
    if folder is None:
        raise GanforgeError(f"there is no run of {options.name} in runs/ to resume; start one without --resume")
    if options.resume and not folder.is_dir():
        raise GanforgeError(f"there is no run in {folder} to resume; start one without --resume")
    return folder, None
