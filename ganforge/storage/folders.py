"""Folders of runs and of caches."""

from __future__ import annotations

import os
import re
from pathlib import Path

from ganforge.errors import GanforgeError, argument
from ganforge.storage.layout import RunLayout

RUNS = Path("runs")


def cache_folder() -> Path:
    """Return the folder for decoded data and reference statistics: `$GANFORGE_CACHE`, or one in the user's cache."""
    named = os.environ.get("GANFORGE_CACHE")
    base = Path(named) if named else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ganforge"
    try:
        base.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise GanforgeError(
            f"the cache folder {base} cannot be made ({error.strerror}); set GANFORGE_CACHE to one that can be written"
        ) from error
    return base


def runs_of(name: str) -> list[Path]:
    """Return the folders of earlier runs of a recipe in `runs/`, oldest first."""
    return [path for _, path in _numbered_runs(name)]


def new_run(name: str) -> Path:
    """Make and return a new folder for a run of a recipe: `runs/NAME`, then `runs/NAME-2`, and so on."""
    number = max((number for number, _ in _numbered_runs(name)), default=0) + 1
    while True:
        folder = RUNS / (name if number == 1 else f"{name}-{number}")
        try:
            folder.mkdir(parents=True)
        except FileExistsError:  # another start was faster
            number += 1
        except OSError as error:
            raise GanforgeError(
                f"the run's folder {folder} cannot be made ({error.strerror}); choose another with {argument('folder')}"
            ) from error
        else:
            return folder


def discard_unused(folder: Path) -> None:
    """Remove the folder of a run that never began; anything that somebody wrote into it stays, and it with it."""
    layout = RunLayout(folder)
    if layout.run_json.exists():
        return
    for path in (layout.lock, layout.metrics, layout.events):
        if path.is_file() and (path == layout.lock or path.stat().st_size == 0):
            path.unlink()
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


def _numbered_runs(name: str) -> list[tuple[int, Path]]:
    folders = [path for path in RUNS.iterdir() if path.is_dir()] if RUNS.is_dir() else []
    found = [(re.fullmatch(rf"{re.escape(name)}(?:-(\d+))?", path.name), path) for path in folders]
    return sorted((int(match[1] or 1), path) for match, path in found if match)
