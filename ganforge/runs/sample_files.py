"""Samples on disk: a picture of all, a folder or ZIP of PNGs that other programs read, or an array."""

from __future__ import annotations

import io
import json
import os
import re
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from ganforge.api.data import DataSpec
from ganforge.api.pictures import have_pictures, picture_grid, to_picture, to_pixels
from ganforge.errors import GanforgeError, RecipeError, argument
from ganforge.recipes.recipe import Recipe
from ganforge.runs.labels import Label
from ganforge.storage.folders import cache_folder

LABELS = "dataset.json"  # {"labels": [["000000.png", 3], ...]}, as the data kind `images` reads it
FILES = (".png", ".zip", ".npy")
STRANGE = (".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".tar", ".gz", ".npz", ".pt", ".csv")
_OURS = re.compile(r"\d{6,}\.png")


class SampleTarget(Protocol):
    """Where files of a set are put."""

    def put(self, name: str, content: bytes) -> None:
        """Write one file."""


def write_samples(
    samples: Iterable[Tensor],
    output: Path,
    spec: DataSpec,
    recipe: Recipe,
    *,
    labels: Sequence[Label] | None = None,
    force: bool = False,
) -> None:
    """Write samples in the form that the name of `output` asks for, whole or not at all where that is one file.

    Args:
        samples: batches [b, *shape]; images in [-1, 1].
        output: `NAME.png` for one picture of all, `NAME.zip` or any other name for a ZIP or folder of PNGs, `NAME.npy`
            for an array float32 [N, *shape].
        spec: of the data.
        recipe: of the run; its data are opened to draw a picture of samples that are no images.
        labels: written to `dataset.json` of a ZIP or folder: sample i is of `labels[i % len(labels)]`.
        force: replace what is there.

    Raises:
        GanforgeError: something is there already, or it cannot be written.
    """
    check_output(output, spec, force=force)
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        if output.suffix not in FILES:
            output.mkdir(exist_ok=True)
            for stale in [path for path in output.iterdir() if _OURS.fullmatch(path.name) or path.name == LABELS]:
                stale.unlink()
            _write_set(samples, _Folder(output), labels)
            return
        aside = output.with_name(f".{output.name}.tmp")
        try:
            if output.suffix == ".zip":
                with zipfile.ZipFile(aside, "w", zipfile.ZIP_STORED) as archive:
                    _write_set(samples, _Zip(archive), labels)
            elif output.suffix == ".npy":
                with aside.open("wb") as file:
                    np.save(file, torch.cat(list(samples)).numpy(), allow_pickle=False)
            else:
                whole = torch.cat(list(samples))
                shown = picture_grid(whole) if have_pictures(spec) else recipe.data.open(cache_folder()).show(whole)
                shown.save(aside, "PNG")
            os.replace(aside, output)
        finally:
            aside.unlink(missing_ok=True)
    except OSError as error:
        raise GanforgeError(f"{output} cannot be written: {error.strerror or error}") from error


def check_output(output: Path, spec: DataSpec, *, force: bool) -> None:
    """Refuse, before anything is drawn, what could not be written or would be lost.

    Raises:
        RecipeError: `output` is there already, or is of no form that these samples can have.
    """
    file, given = output.suffix in FILES, argument("output", output)
    if output.suffix.lower() in (*STRANGE, *FILES) and not file:
        raise RecipeError(f"{given}: there is no such form; choose NAME.png, NAME.zip, NAME.npy or a folder")
    if not have_pictures(spec) and output.suffix not in (".png", ".npy"):
        raise RecipeError(
            f"{given}: a folder or ZIP takes images, and these samples are of shape {list(spec.shape)}; choose "
            "NAME.png for a picture or NAME.npy for the numbers"
        )
    if file and output.is_dir():
        raise RecipeError(f"{given} is a folder; choose another name")
    if not file and output.exists() and not output.is_dir():
        raise RecipeError(f"{given} is a file; choose NAME.png, NAME.zip, NAME.npy or a folder")
    if not force and output.is_file():
        raise RecipeError(f"{given} is there already; choose another name, or replace it with {argument('force')}")
    if not force and output.is_dir() and any(output.iterdir()):
        raise RecipeError(
            f"{given} is a folder with something in it; choose another, or replace earlier samples in it with "
            f"{argument('force')}"
        )


class _Folder:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def put(self, name: str, content: bytes) -> None:
        (self.folder / name).write_bytes(content)


class _Zip:
    def __init__(self, archive: zipfile.ZipFile) -> None:
        self.archive = archive

    def put(self, name: str, content: bytes) -> None:
        self.archive.writestr(zipfile.ZipInfo(name), content)  # of a fixed date: the same samples, the same file


def _write_set(samples: Iterable[Tensor], place: SampleTarget, labels: Sequence[Label] | None) -> None:
    tags: list[tuple[str, Label]] = []
    for batch in samples:
        for pixels in to_pixels(batch):
            name = f"{len(tags):06d}.png"
            file = io.BytesIO()
            to_picture(pixels).save(file, "PNG")
            place.put(name, file.getvalue())
            tags.append((name, labels[len(tags) % len(labels)] if labels else 0))
    if labels:
        place.put(LABELS, json.dumps({"labels": tags}).encode())
