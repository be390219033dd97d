"""Samples on disk: a picture of all, a folder or ZIP of PNGs that other programs read, or an array."""

from __future__ import annotations

import io
import json
import os
import re
import zipfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL.Image import Image
from torch import Tensor

from ganforge.api.data import DataSpec
from ganforge.api.pictures import have_pictures, picture_grid, to_picture, to_pixels
from ganforge.errors import GanforgeError, RecipeError, argument
from ganforge.runs.labels import Label
from ganforge.runs.sampling import LoadedGame
from ganforge.storage.folders import cache_folder

LABELS = "dataset.json"  # {"labels": [["000000.png", 3], ...]}, as the data kind `images` reads it
FILES = (".png", ".zip", ".npy")
STRANGE = (".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".tar", ".gz", ".npz", ".pt", ".csv")
_OURS = re.compile(r"\d{6,}\.png")


def write_samples(
    samples: Iterable[Tensor], output: Path, trained: LoadedGame, labels: Sequence[Label] | None = None
) -> None:
    """Write samples in the form that the name of `output` asks for, whole or not at all where that is one file.

    What is there is replaced: `check_output` says before whether anything is.

    Args:
        samples: batches [b, *shape]; images in [-1, 1].
        output: `NAME.png` for one picture of all, `NAME.zip` or any other name for a ZIP or folder of PNGs, `NAME.npy`
            for an array float32 [N, *shape].
        trained: what drew them.
        labels: written to `dataset.json` of a ZIP or folder: sample i is of `labels[i % len(labels)]`.

    Raises:
        GanforgeError: it cannot be written.
    """
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        if output.suffix not in FILES:
            output.mkdir(exist_ok=True)
            for stale in [path for path in output.iterdir() if _OURS.fullmatch(path.name) or path.name == LABELS]:
                stale.unlink()
            _write_set(samples, labels, lambda name, png: (output / name).write_bytes(png))
            return
        aside = output.with_name(f".{output.name}.tmp")
        try:
            if output.suffix == ".zip":
                with zipfile.ZipFile(aside, "w", zipfile.ZIP_STORED) as archive:
                    # A ZipInfo is of a fixed date: the same samples, the same file.
                    _write_set(samples, labels, lambda name, png: archive.writestr(zipfile.ZipInfo(name), png))
            elif output.suffix == ".npy":
                with aside.open("wb") as file:
                    np.save(file, torch.cat(list(samples)).numpy(), allow_pickle=False)
            else:
                picture_of(torch.cat(list(samples)), trained).save(aside, "PNG")
            os.replace(aside, output)
        finally:
            aside.unlink(missing_ok=True)
    except OSError as error:
        raise GanforgeError(f"{output} cannot be written: {error.strerror or error}") from error


def picture_of(samples: Tensor, trained: LoadedGame) -> Image:
    """Return a picture of samples [N, *shape]: a grid of images, or as the data of the recipe show themselves."""
    if have_pictures(trained.spec):
        return picture_grid(samples)
    return trained.recipe.data.open(cache_folder()).show(samples)


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


def _write_set(samples: Iterable[Tensor], labels: Sequence[Label] | None, put: Callable[[str, bytes], object]) -> None:
    """Have each sample written by `put`, which takes a file's name and content, and then the labels."""
    tags: list[tuple[str, Label]] = []
    for batch in samples:
        for pixels in to_pixels(batch):
            name = f"{len(tags):06d}.png"
            file = io.BytesIO()
            to_picture(pixels).save(file, "PNG")
            put(name, file.getvalue())
            tags.append((name, labels[len(tags) % len(labels)] if labels else 0))
    if labels:
        put(LABELS, json.dumps({"labels": tags}).encode())
