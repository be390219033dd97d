"""Manifest of a checkpoint: its files, described to the byte."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from ganforge.errors import CheckpointError

FORMAT = 3  # of the checkpoints that are written and read
TENSORS, FACTS, MANIFEST = "tensors.safetensors", "facts.json", "manifest.json"
MAX_JSON_BYTES = {MANIFEST: 2**16, FACTS: 2**26}  # bytes that are read as JSON, at most


def check_files(checkpoint: Path) -> None:
    """See that a checkpoint is a folder of three plain files; hidden ones, which systems leave about, do not count."""
    if checkpoint.is_symlink() or not checkpoint.is_dir():
        what = "a link" if checkpoint.is_symlink() else "a file" if checkpoint.exists() else "missing"
        raise CheckpointError(f"{checkpoint} is {what}; expected a folder of {TENSORS}, {FACTS} and {MANIFEST}")
    entries = {entry.name: entry for entry in os.scandir(checkpoint)}
    for name in (MANIFEST, FACTS, TENSORS):
        if name not in entries:
            raise CheckpointError(f"{checkpoint} has no {name}")
        if not entries[name].is_file(follow_symlinks=False):
            raise CheckpointError(f"{checkpoint / name} is no plain file")
    strange = sorted(name for name in entries if name not in (TENSORS, FACTS, MANIFEST) and name[0] != ".")
    if strange:
        raise CheckpointError(
            f"{checkpoint} holds what its manifest does not describe ({', '.join(strange[:3])}); move that elsewhere"
        )


def read_json_text(path: Path) -> str:
    """Read a file of JSON, if it is not absurdly large."""
    if path.stat().st_size > MAX_JSON_BYTES[path.name]:
        raise CheckpointError(f"{path} was changed or damaged: it is larger than {MAX_JSON_BYTES[path.name]:,} bytes")
    return path.read_bytes().decode()  # as it is: reading as text would take a carriage return for a new line


def describe_files(checkpoint: Path) -> dict[str, dict[str, Any]]:
    """Return the size and SHA-256 of each file, by its name."""
    files = {}
    for name in (TENSORS, FACTS):
        with (checkpoint / name).open("rb") as file:
            files[name] = {"sha256": hashlib.file_digest(file, "sha256").hexdigest(), "bytes": file.tell()}
    return files


def manifest_text(images: int, files: dict[str, dict[str, Any]]) -> str:
    """Describe a checkpoint; every byte of the description can be checked by making it again."""
    return json.dumps({"format": FORMAT, "images": images, "files": files}, indent=1)
