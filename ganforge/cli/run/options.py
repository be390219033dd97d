"""What `ganforge run` was asked for, and the folder that the run is in."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from accelerate import Accelerator
from accelerate.utils import broadcast_object_list

from ganforge.cli.terminal.console import say
from ganforge.errors import GanforgeError
from ganforge.storage.folders import new_run, runs_of


@dataclass(frozen=True)
class Order:
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
    sweep: str | None = None

    @property
    def file(self) -> Path:
        """The recipe's file: that of a run where a run's folder was named."""
        return self.recipe / "recipe.toml" if self.recipe.is_dir() else self.recipe

    @property
    def name(self) -> str:
        """What runs of this recipe are called."""
        return self.recipe.resolve().name if self.recipe.is_dir() else self.recipe.stem


def agree_on_folder(order: Order, accelerator: Accelerator) -> Path:
    """Let the main process choose the run's folder, and tell the others."""
    answer: list[tuple[Path | None, str]] = [(None, "")]
    if accelerator.is_main_process:
        try:
            answer = [(_choose_folder(order), "")]
        except GanforgeError as error:
            answer = [(None, error.text)]
    if accelerator.num_processes > 1:
        answer = broadcast_object_list(answer)
    folder, problem = answer[0]
    if folder is None:
        raise GanforgeError(problem)
    return folder


def _choose_folder(order: Order) -> Path:
    if order.resume:
        return _folder_to_resume(order)
    if order.out is not None:
        return order.out
    folder = new_run(order.name)
    earlier = [run for run in runs_of(order.name)[:-1] if run != folder]
    if earlier and not order.quiet:
        say(f"this is a new run in {folder}; --resume would go on with {earlier[-1]}")
    return folder


def _folder_to_resume(order: Order) -> Path:
    if order.out is not None:
        folder = order.out
    elif order.recipe.is_dir():
        folder = order.recipe
    else:
        earlier = runs_of(order.name)
        if not earlier:
            raise GanforgeError(f"there is no run of {order.name} in runs/ to resume; start one without --resume")
        folder = earlier[-1]
    if not folder.is_dir():
        raise GanforgeError(f"there is no run in {folder} to resume; start one without --resume")
    return folder
