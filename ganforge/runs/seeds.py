"""Several seeds of one recipe: their folders, and which of them are still to be played."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass
from pathlib import Path

from ganforge.errors import GanforgeError, argument
from ganforge.storage.checkpoint import list_checkpoints
from ganforge.storage.folders import RUNS
from ganforge.storage.layout import RunLayout, images_of
from ganforge.tracking import read_run_json


@dataclass(frozen=True)
class SeedGroup:
    """Seeds of a recipe that belong together.

    Args:
        name: what its runs have in common; their MLflow runs are tagged with it.
        folders: of the runs, by seed, in the order in which they are played.
    """

    name: str
    folders: dict[int, Path]

    def has_begun(self, seed: int) -> bool:
        """Whether there is a run in the folder of a seed."""
        return bool(read_run_json(self.folders[seed]))

    def is_over(self, seed: int, images: int) -> bool:
        """Whether the run of a seed has finished, and showed as many images as its recipe asks for now."""
        folder = self.folders[seed]
        shown = max(map(images_of, list_checkpoints(RunLayout(folder).checkpoints)), default=-1)
        return read_run_json(folder).get("status") == "finished" and shown >= images


def plan_seeds(name: str, first: int, seeds: int, *, resume: bool = False, out: Path | None = None) -> SeedGroup:
    """Choose folders: `runs/NAME-seed0` and so on, then `runs/NAME-2-seed0`; those of the newest group to resume.

    Args:
        name: of the recipe.
        first: seed.
        seeds: how many, one after the other.
        resume: go on with what was begun.
        out: what the names of the folders begin with; None = `runs/NAME`.

    Raises:
        GanforgeError: there is nothing to resume, or a folder is taken.
    """
    newest = _newest_group(name)
    if out is None and resume and not newest:
        raise GanforgeError(
            f"there are no seeds of {name} in {RUNS}/ to resume; start them without {argument('resume')}"
        )
    number = newest if resume else newest + 1
    base = out or RUNS / (name if number == 1 else f"{name}-{number}")
    folders = {seed: base.with_name(f"{base.name}-seed{seed}") for seed in range(first, first + seeds)}
    begun = [folder for folder in folders.values() if read_run_json(folder)]
    if begun and not resume:
        raise GanforgeError(
            f"{', '.join(map(str, begun))} already hold runs; go on with them by {argument('resume')}, or give another "
            f"{argument('folder')}"
        )
    known = next(filter(None, (read_run_json(folder).get("seed_group") for folder in begun)), None)
    return SeedGroup(known or f"{base.name} {uuid.uuid4().hex[:8]}", folders)


def _newest_group(name: str) -> int:
    """Return the number of the newest seeds of a recipe in `runs/`: 1 of NAME-seed0, 2 of NAME-2-seed0, 0 of none."""
    form = re.compile(rf"{re.escape(name)}(?:-(\d+))?-seed\d+")
    found = [form.fullmatch(path.name) for path in RUNS.glob("*")]
    return max((int(match[1] or 1) for match in found if match), default=0)
