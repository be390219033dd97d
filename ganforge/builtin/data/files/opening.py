"""From the path in a recipe to the files there, or to words about what is there instead."""

from __future__ import annotations

import difflib
import os
from pathlib import Path

from ganforge.api import DataError
from ganforge.builtin.data.files.archive import ImageArchive
from ganforge.builtin.data.files.folder import ImageFolder
from ganforge.builtin.data.files.image_files import ImageFiles, is_image


def open_image_files(path: str, cache: Path) -> ImageFiles:
    """Open a folder or ZIP archive; a `DataError` in words where there is none.

    Args:
        path: as the recipe has it: relative to the working folder, `~` is the home folder.
        cache: the folder where names and checksums of files are remembered.
    """
    place = Path(os.path.expanduser(path))
    if not os.path.exists(place):
        raise DataError(f"there is no '{path}'; {_nearest(place)}")
    if place.is_dir():
        return ImageFolder(place, cache)
    if not place.is_file():
        raise DataError(f"'{path}' is neither a folder nor a file; expected a folder of images or a ZIP of them")
    if is_image(place.name.lstrip(".")):
        raise DataError(f"'{path}' is one image; expected a folder of images or a ZIP of them")
    return ImageArchive(place, cache)


def _nearest(place: Path) -> str:
    """Return what there is instead of a missing path."""
    absolute = Path(os.path.abspath(place))
    parent, missing = absolute.parent, absolute.name
    while not os.path.isdir(parent) and parent != parent.parent:
        parent, missing = parent.parent, parent.name
    try:
        near = difflib.get_close_matches(missing, os.listdir(parent), 1)
    except OSError as error:
        return f"'{parent}' exists but cannot be listed: {error.strerror}"
    hint = f"; did you mean '{parent / near[0]}'?" if near else ""
    return f"'{parent}' exists, but has no '{missing}'{hint}"
