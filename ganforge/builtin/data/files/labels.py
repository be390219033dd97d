"""Labels of image files: from dataset.json, or else from the sub-folders."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ganforge.api import BadImageError, DataError, printable
from ganforge.builtin.data.files.image_files import ImageFiles

FILE = "dataset.json"
MAX_BYTES = 256 * 2**20
MAX_CLASSES = 100_000
EXPECTED = '{"labels": [["00000/image.png", 3], ...]}, as StyleGAN\'s data sets have it'


@dataclass(frozen=True)
class FileLabels:
    """Labels by file name; files without one are missing. `names` are those of the classes, where they have any."""

    of: Mapping[str, int]
    classes: int
    names: tuple[str, ...] = ()


def read_file_labels(files: ImageFiles, names: Sequence[str]) -> FileLabels:
    """Return the labels of the image files `names`; a `DataError` where there are none at all."""
    return _from_json(files) if files.has(FILE) else _from_folders(files, names)


def _from_folders(files: ImageFiles, names: Sequence[str]) -> FileLabels:
    """Return one class for each folder at the top, or one level further down where all share the topmost."""
    folders = [name.rpartition("/")[0] for name in names]
    parts = {folder: folder.split("/") if folder else [] for folder in set(folders)}
    while all(len(steps) > 1 for steps in parts.values()) and len({steps[0] for steps in parts.values()}) == 1:
        parts = {folder: steps[1:] for folder, steps in parts.items()}
    found = sorted({steps[0] for steps in parts.values() if steps})
    if not found:
        raise DataError(
            f"labels = true, but '{files.path}' has neither sub-folders (one for each class) nor "
            f"{FILE}; add either, or leave labels out"
        )
    number = {top: index for index, top in enumerate(found)}
    classes = {folder: number[steps[0]] for folder, steps in parts.items() if steps}
    of = {name: classes[folder] for name, folder in zip(names, folders, strict=True) if folder}
    return FileLabels(of, len(found), tuple(printable(top) for top in found))


def _from_json(files: ImageFiles) -> FileLabels:
    where = f"{FILE} in '{files.path}'"
    try:
        found: Any = json.loads(files.read(FILE, MAX_BYTES))
    except (BadImageError, ValueError, RecursionError) as error:
        raise DataError(f"cannot read {where}: {error}; expected {EXPECTED}") from error
    rows = found.get("labels") if isinstance(found, dict) else None
    if not isinstance(rows, list) or not rows:
        raise DataError(f"{where} has no labels; expected {EXPECTED}, or leave labels = true out of the recipe")
    labels: dict[str, int] = {}
    for index, row in enumerate(rows):
        name, label = row if isinstance(row, list) and len(row) == 2 else (None, None)
        if not isinstance(name, str) or type(label) is not int or not 0 <= label < MAX_CLASSES:
            shown = json.dumps(row)
            raise DataError(
                f"{where}, labels[{index}] = {shown if len(shown) < 80 else shown[:77] + '...'}; expected a name and "
                f"a class from 0 to {MAX_CLASSES - 1}: {EXPECTED}"
            )
        name = name.replace("\\", "/")
        if labels.setdefault(name, label) != label:
            raise DataError(f"{where} gives {printable(name)} two labels, {labels[name]} and {label}; expected one")
    return FileLabels(labels, max(labels.values()) + 1)
