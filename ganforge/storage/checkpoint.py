"""Checkpoints that are whole or not there: written aside, checksummed, then renamed; no pickle anywhere."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from ganforge.errors import CheckpointError, format_bytes
from ganforge.storage.disk import check_free_space, delete, fsync, make_folder, replace_folder
from ganforge.storage.layout import PREFIX, images_name, images_of
from ganforge.storage.manifest import (
    FACTS,
    FORMAT,
    MANIFEST,
    TENSORS,
    check_files,
    describe_files,
    manifest_text,
    read_json_text,
)

_NAME = re.compile(rf"{PREFIX}\d{{12,18}}")
_UNREADABLE = (OSError, SafetensorError, ValueError, KeyError, TypeError, AttributeError, RecursionError, RuntimeError)


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint holds: tensors by path, and facts that JSON can hold (with NaN, as Python's can)."""

    tensors: Mapping[str, Tensor]
    facts: Mapping[str, Any]


def save_checkpoint(folder: Path, images: int, content: Checkpoint) -> Path:
    """Write `folder/images-NNNNNNNNNNNN`, whole or not at all, and return it.

    Raises:
        CheckpointError: the disk is full or the folder cannot be written; older checkpoints are untouched.
    """
    final, aside = checkpoint_path(folder, images), folder / f".{images_name(images)}.tmp"
    facts = json.dumps({"format": FORMAT, **content.facts}, indent=1)
    wanted = sum(tensor.nbytes for tensor in content.tensors.values()) + len(facts)
    try:
        make_folder(folder)
        delete(aside)
        check_free_space(folder, wanted)
        aside.mkdir()
        save_file(_for_safetensors(content.tensors), aside / TENSORS)
        (aside / FACTS).write_text(facts)
        (aside / MANIFEST).write_text(manifest_text(images, describe_files(aside)))
        for path in (*aside.iterdir(), aside):
            fsync(path)
        replace_folder(aside, final)
    except (OSError, SafetensorError) as error:
        with contextlib.suppress(OSError):  # what stays, the next one clears away
            delete(aside)
        raise CheckpointError(
            f"the checkpoint {final} could not be written ({error}); it takes {format_bytes(wanted)}. Older ones are "
            "untouched: make room or mend the folder, and resume the run"
        ) from error
    return final


def checkpoint_path(folder: Path, images: int) -> Path:
    """Return where the checkpoint of so many images shown is, or would be."""
    return folder / images_name(images)


def load_checkpoint(checkpoint: Path) -> Checkpoint:
    """Read one checkpoint.

    Raises:
        CheckpointError: a file is missing, was changed or added, or is of another format.
    """
    try:
        check_files(checkpoint)
        text = read_json_text(checkpoint / MANIFEST)
        manifest = json.loads(text)
        if manifest["format"] != FORMAT:
            raise CheckpointError(
                f"{checkpoint} is of format {manifest['format']!r:.20}, which another version of ganforge wrote; this "
                f"one reads {FORMAT}: go on with the version that wrote it, or begin again"
            )
        files = describe_files(checkpoint)
        for name, found in files.items():
            told = manifest["files"][name]
            if found["bytes"] != told["bytes"]:
                what = f"it has {found['bytes']} bytes, not {told['bytes']}"
                raise CheckpointError(f"{checkpoint / name} was changed or damaged: {what}")
            if found != told:
                raise CheckpointError(f"{checkpoint / name} was changed or damaged: its SHA-256 is not the manifest's")
        facts = json.loads(read_json_text(checkpoint / FACTS))
        if text != manifest_text(facts["images"], files) or facts.pop("format") != FORMAT:
            raise CheckpointError(f"{checkpoint / MANIFEST} was changed or damaged: it does not describe the files")
        return Checkpoint(load_file(checkpoint / TENSORS), facts)
    except CheckpointError:
        raise
    except _UNREADABLE as error:
        raise CheckpointError(f"{checkpoint} cannot be read ({type(error).__name__}: {error})") from error


def _for_safetensors(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return tensors as safetensors takes them: on the CPU, contiguous, no two in the same memory."""
    plain: dict[str, Tensor] = {}
    places: set[int] = set()
    for path, tensor in tensors.items():
        tensor = tensor.detach().cpu().contiguous()
        place = tensor.untyped_storage().data_ptr()
        plain[path] = tensor.clone() if place in places else tensor
        places.add(place)
    return plain


def list_checkpoints(folder: Path) -> list[Path]:
    """Return what has the name of a checkpoint in `folder`, oldest first; unfinished ones have another name."""
    if not folder.is_dir():
        return []
    return sorted((path for path in folder.iterdir() if _NAME.fullmatch(path.name)), key=images_of)


def load_newest(folder: Path) -> tuple[Checkpoint, Path, list[str]]:
    """Read the newest checkpoint that is whole; return it, its place, and why newer ones were passed over.

    The newest is the one of most images shown; what the clock said when it was written does not matter.

    Raises:
        CheckpointError: there is none.
    """
    passed_over: list[str] = []
    for path in reversed(list_checkpoints(folder)):
        try:
            return load_checkpoint(path), path, passed_over
        except CheckpointError as error:
            passed_over.append(str(error))
    reasons = "".join(f"\n  {reason}" for reason in passed_over)
    raise CheckpointError(f"{folder} holds no checkpoint that can be read{reasons}")


def prune_checkpoints(
    folder: Path, images: int, *, keep: int, best: int | None = None, every: int | None = None
) -> None:
    """Delete the checkpoints that need not be kept, after the one of `images` images shown was saved.

    Those of more images are left alone: they were passed over, and are played again.

    Args:
        folder: of the checkpoints.
        images: shown by now.
        keep: how many of the newest stay.
        best: images shown of one that stays, too.
        every: the first after each multiple of so many images stays for good.

    Raises:
        CheckpointError: one cannot be deleted.
    """
    past = [path for path in list_checkpoints(folder) if images_of(path) <= images]
    for_good = {images_of(path) // every: path for path in reversed(past) if images_of(path) >= every} if every else {}
    stays = {*past[-keep:], *for_good.values(), *([] if best is None else [checkpoint_path(folder, best)])}
    try:
        for path in past:
            if path not in stays:
                _delete_checkpoint(path)
        for path in folder.glob(f".{PREFIX}*"):  # what a killed process left
            delete(path)
    except OSError as error:
        raise CheckpointError(f"an old checkpoint in {folder} could not be deleted ({error})") from error


def discard_checkpoints(folder: Path, images: int) -> None:
    """Delete the checkpoints of more than `images` images shown."""
    for path in list_checkpoints(folder):
        if images_of(path) > images:
            _delete_checkpoint(path)


def _delete_checkpoint(checkpoint: Path) -> None:
    """Delete a checkpoint; at no moment does half of it stand under its name."""
    aside = checkpoint.with_name(f".{checkpoint.name}.old")
    delete(aside)
    checkpoint.rename(aside)
    delete(aside)
