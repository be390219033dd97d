"""Reports of errors that nobody expected: a plugin's own mistakes, and memory that ran out, in words."""

from __future__ import annotations

import traceback
from pathlib import Path

from ganforge.errors import GanforgeError
from ganforge.plugins.blame import blame
from ganforge.plugins.catalogue import Catalogue
from ganforge.plugins.loading import load_catalogue
from ganforge.recipes.recipe import Recipe
from ganforge.storage.layout import RunLayout
from ganforge.tracking import redact
from ganforge.training.out_of_memory import explain_memory_shortage
from ganforge.training.session import Session


def explain(
    error: BaseException,
    catalogue: Catalogue | None = None,
    recipe: Recipe | None = None,
    session: Session | None = None,
) -> GanforgeError | None:
    """Return an error in words for one that is none.

    Args:
        catalogue: the installed plugins; None = as they are now.

    Returns:
        None where there are no better words than its own: most likely a mistake in ganforge itself.
    """
    short = explain_memory_shortage(error, recipe, session)
    if short is not None:
        return short
    try:
        return blame(error, load_catalogue() if catalogue is None else catalogue)
    except GanforgeError:  # plugins that collide were not at work
        return None


def keep_traceback(error: BaseException, folder: Path) -> str:
    """Write the whole traceback into the run's folder, and return a line that says where; none where it cannot be."""
    path = RunLayout(folder).traceback
    try:
        path.write_text(redact("".join(traceback.format_exception(error))), encoding="utf-8")
    except OSError:
        return ""
    return f"the whole traceback is in {path}"
