"""From the path in a recipe to the files there, or to words about what is there instead."""

from __future__ import annotations

import difflib
import os
from pathlib import Path

from ganforge.api import DataError, printable
from ganforge.builtin.data.archive import ZipShelf
from ganforge.builtin.data.folder import FolderShelf
from ganforge.builtin.data.shelf import Shelf, is_image
from ganforge.builtin.data.stamps import Stamps


def open_shelf(path: str, stamps_in: Path) -> Shelf:
    """Open a folder or ZIP archive; a `DataError` in words where there is none.

    Args:
        path: as the recipe has it: relative to the working folder, `~` is the home folder.
        stamps_in: the folder where checksums of files are remembered.
    """
    place = Path(os.path.expanduser(path))
    if not os.path.exists(place):
        raise DataError(f"there is no '{printable(path)}'; {_nearest(place)}")
    if place.is_dir():
        return FolderShelf(place, Stamps(stamps_in, place.resolve()))
    if not place.is_file():
        raise DataError(
            f"'{printable(path)}' is neither a folder nor a file; expected a folder of images or a ZIP of them"
        )
    if is_image(place.name.lstrip(".")):
        raise DataError(f"'{printable(path)}' is one image; expected a folder of images or a ZIP of them")
    return ZipShelf(place, stamps_in)


def _nearest(place: Path) -> str:
    """Return what there is instead of a missing path."""
    absolute = Path(os.path.abspath(place))
    parent, missing = absolute.parent, absolute.name
    while not os.path.isdir(parent) and parent != parent.parent:
        parent, missing = parent.parent, parent.name
    try:
        near = difflib.get_close_matches(missing, os.listdir(parent), 1)
    except OSError as error:
        return f"'{printable(str(parent))}' exists but cannot be listed: {error.strerror}"
    hint = f"; did you mean '{printable(str(parent / near[0]))}'?" if near else ""
    return f"'{printable(str(parent))}' exists, but has no '{printable(missing)}'{hint}"
