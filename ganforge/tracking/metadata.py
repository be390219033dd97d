"""Metadata of a run, known before it begins: versions, plugins, commit, device, command."""

from __future__ import annotations

import importlib.metadata
import platform
import subprocess
import sys
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ganforge.tracking.redaction import redact_command

PACKAGES = ("ganforge", "torch", "accelerate", "mlflow")


@dataclass(frozen=True)
class RunMetadata:
    """What only the trainer knows: where it runs, and what it loaded.

    Args:
        device: such as `cpu` or `cuda (NVIDIA H100)`.
        recipe_digest: of the recipe with all its defaults: two runs with the same one were played by the same rules.
        world_size: processes that train together.
        plugins: version by distribution.
        command: the command line; secrets are masked before it is written.
        more: anything else worth keeping in `run.json` and as tags.
    """

    device: str
    recipe_digest: str
    world_size: int = 1
    plugins: Mapping[str, str] = field(default_factory=dict)
    command: Sequence[str] = tuple(sys.argv)
    more: Mapping[str, str | int | float] = field(default_factory=dict)


def git_commit(folder: Path) -> str | None:
    """Return the commit that a folder stands at, with `-dirty` where tracked files differ; None outside of git."""
    command = ["git", "-C", str(folder), "describe", "--always", "--abbrev=40", "--dirty", "--exclude=*"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout.strip() or None


def versions() -> dict[str, str]:
    """Return the versions of Python, ganforge and what it stands on."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found


def run_record(metadata: RunMetadata) -> dict[str, Any]:
    """Return what `run.json` says of a new run."""
    return {
        "id": uuid.uuid4().hex,
        "start": time.time(),
        "recipe_digest": metadata.recipe_digest,
        "versions": versions(),
        "plugins": dict(metadata.plugins),
        "git_commit": git_commit(Path.cwd()),
        "command": redact_command(metadata.command),
        "working_folder": str(Path.cwd()),
        "world_size": metadata.world_size,
        "device": metadata.device,
        **metadata.more,
    }
