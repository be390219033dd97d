"""Checkpoints that are whole or not there: written aside, checksummed, then renamed; no pickle anywhere."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from ganforge.errors import CheckpointError

FORMAT = 1
TENSORS, FACTS, MANIFEST = "tensors.safetensors", "facts.json", "manifest.json"
PREFIX = "images-"


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint holds: tensors by path, and facts that JSON can hold (with NaN, as Python's can)."""

    tensors: Mapping[str, Tensor]
    facts: Mapping[str, Any]


def save(folder: Path, images: int, content: Checkpoint) -> Path:
    """Write `folder/images-NNNNNNNNNNNN`, whole or not at all, and return it.

    Raises:
        CheckpointError: the disk is full or the folder cannot be written; older checkpoints are untouched.
    """
    final, aside = path_of(folder, images), folder / f".{PREFIX}{images:012d}.tmp"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir()
        tensors = {path: tensor.detach().cpu().contiguous() for path, tensor in content.tensors.items()}
        _check_space(folder, sum(tensor.nbytes for tensor in tensors.values()))
        save_file(tensors, aside / TENSORS)
        (aside / FACTS).write_text(json.dumps(content.facts, indent=1))
        (aside / MANIFEST).write_text(_manifest(aside, images))
        for path in (*aside.iterdir(), aside):
            _sync(path)
        _remove(final)  # played again after a resume
        aside.rename(final)
        _sync(folder)
    except (OSError, SafetensorError) as error:
        shutil.rmtree(aside, ignore_errors=True)
        raise CheckpointError(
            f"the checkpoint {final} could not be written ({error}); older ones are untouched"
        ) from error
    return final


def path_of(folder: Path, images: int) -> Path:
    """Return where the checkpoint of so many images shown is, or would be."""
    return folder / f"{PREFIX}{images:012d}"


def load(checkpoint: Path) -> Checkpoint:
    """Read one checkpoint.

    Raises:
        CheckpointError: a file is missing, was changed or is of another format.
    """
    try:
        text = (checkpoint / MANIFEST).read_text()
        manifest = json.loads(text)
        if manifest["format"] != FORMAT:
            raise CheckpointError(
                f"{checkpoint} is of format {manifest['format']}; this ganforge reads format {FORMAT}"
            )
        for name in (TENSORS, FACTS):
            if _sha256(checkpoint / name) != manifest["files"][name]["sha256"]:
                raise CheckpointError(f"{checkpoint / name} was changed or damaged: its SHA-256 is not the manifest's")
        facts = json.loads((checkpoint / FACTS).read_text())
        if text != _manifest(checkpoint, facts["images"]):
            raise CheckpointError(f"{checkpoint / MANIFEST} was changed or damaged: it does not describe the files")
        return Checkpoint(load_file(checkpoint / TENSORS), facts)
    except CheckpointError:
        raise
    except (OSError, SafetensorError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{checkpoint} cannot be read ({type(error).__name__}: {error})") from error


def _manifest(checkpoint: Path, images: int) -> str:
    """Describe the files of a checkpoint; every byte of the description can be checked by making it again."""
    files = {
        name: {"sha256": _sha256(checkpoint / name), "bytes": (checkpoint / name).stat().st_size}
        for name in (TENSORS, FACTS)
    }
    return json.dumps({"format": FORMAT, "images": images, "files": files}, indent=1)


def saved(folder: Path) -> list[Path]:
    """Return the checkpoints in `folder`, oldest first; what was never finished is not among them."""
    return sorted(path for path in folder.glob(f"{PREFIX}*") if path.is_dir()) if folder.is_dir() else []


def load_newest(folder: Path) -> tuple[Checkpoint, Path, list[str]]:
    """Read the newest checkpoint that is whole; return it, its place, and why newer ones were passed over.

    Raises:
        CheckpointError: there is none.
    """
    passed_over: list[str] = []
    for path in reversed(saved(folder)):
        try:
            return load(path), path, passed_over
        except CheckpointError as error:
            passed_over.append(str(error))
    reasons = "".join(f"\n  {reason}" for reason in passed_over)
    raise CheckpointError(f"{folder} holds no checkpoint that can be read{reasons}")


def prune(folder: Path, keep: int, best: int | None) -> None:
    """Delete all but the newest `keep` checkpoints and the one of `best` images shown."""
    for path in saved(folder)[:-keep]:
        if path.name != f"{PREFIX}{best or 0:012d}":
            _remove(path)
    for path in folder.glob(f".{PREFIX}*"):  # what a killed process left
        shutil.rmtree(path, ignore_errors=True)


def discard(folder: Path, images: int) -> None:
    """Delete the checkpoints of more than `images` images shown."""
    for path in saved(folder):
        if path > path_of(folder, images):
            _remove(path)


def _remove(checkpoint: Path) -> None:
    """Delete a checkpoint, if it is there; at no moment does half of it stand under its name."""
    if checkpoint.exists():
        aside = checkpoint.with_name(f".{checkpoint.name}.old")
        shutil.rmtree(aside, ignore_errors=True)
        checkpoint.rename(aside)
        shutil.rmtree(aside)


def _check_space(folder: Path, wanted: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < wanted * 1.05 + 2**20:
        raise OSError(f"{wanted / 2**20:.0f} MiB are needed and {free / 2**20:.0f} MiB are free")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
