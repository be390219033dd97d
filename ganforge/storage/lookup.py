"""Lookup of what a person means: a run by its folder, and one of its checkpoints."""

from __future__ import annotations

import difflib
from pathlib import Path

from ganforge.errors import CheckpointError, argument
from ganforge.storage.checkpoint import Checkpoint, checkpoint_path, list_checkpoints, load_checkpoint, load_newest
from ganforge.storage.folders import RUNS
from ganforge.storage.layout import RunLayout, images_of
from ganforge.storage.manifest import MANIFEST


def choose_checkpoint(run: Path, wanted: str | None) -> tuple[Checkpoint, Path, list[str]]:
    """Read a checkpoint of a run; return it, its place, and why newer ones were passed over.

    Args:
        run: its folder.
        wanted: images shown when it was saved, "best", or its folder; None = the newest one that is whole.

    Raises:
        CheckpointError: it is missing or damaged.
    """
    folder = RunLayout(run).checkpoints
    places = list_checkpoints(folder)
    if wanted is not None and (Path(wanted) / MANIFEST).is_file():
        return load_checkpoint(Path(wanted)), Path(wanted), []
    if not places:
        raise CheckpointError(f"{run} has no checkpoint yet; one is saved when a run ends, is stopped, or now and then")
    if wanted is None:
        return load_newest(folder)
    passed_over: list[str] = []
    if wanted == "best":
        newest, _, passed_over = load_newest(folder)
        if not newest.facts["best"]:
            raise CheckpointError(
                f"{run} kept no best checkpoint: no metric was measured, or its recipe names none in checkpoints.best; "
                f"leave {argument('checkpoint')} out for the newest"
            )
        images = int(newest.facts["best"][1])
    else:
        digits = wanted.replace(",", "").replace("_", "")
        images = int(digits) if digits.isdecimal() else -1
    place = checkpoint_path(folder, images)
    if place not in places:
        have = ", ".join(f"{images_of(path):,}" for path in places)
        raise CheckpointError(f"{run} has no checkpoint {wanted!r}; it has those at {have} images, newest last")
    return load_checkpoint(place), place, passed_over


def explain_no_run(run: Path) -> str:
    """Say that `run` is not the folder of a run, and which ones there are."""
    recipes = [RunLayout(folder).recipe for folder in RUNS.glob("*")]
    found = sorted(filter(Path.is_file, recipes), key=lambda path: path.stat().st_mtime, reverse=True)
    runs = [str(path.parent) for path in found]
    what = "is not the folder of a run" if run.is_dir() else "is no folder" if run.exists() else "does not exist"
    by_name = {Path(name).name: name for name in runs}
    near = difflib.get_close_matches(run.stem, by_name, 1)
    hint = f"; did you mean {by_name[near[0]]}?" if near else ""
    if runs:
        return f"{run} {what}{hint}; the newest runs here: {', '.join(runs[:5])}"
    return f"{run} {what}, and there are no runs in {RUNS}/; train one with `ganforge run RECIPE`"
