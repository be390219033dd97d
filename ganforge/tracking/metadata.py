"""Metadata of a run, known before it begins: versions, plugins, commit, device, command."""

from __future__ import annotations

import importlib.metadata
import platform
import subprocess
import sys
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ganforge.tracking.redaction import redact_command

PACKAGES = ("ganforge", "torch", "accelerate", "mlflow")


def git_commit() -> str | None:
    """Return the commit of the working folder, with `-dirty` where tracked files differ; None outside of git."""
    command = ["git", "describe", "--always", "--abbrev=40", "--dirty", "--exclude=*"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout.strip() or None


def run_record(
    device: str,
    recipe_digest: str,
    world_size: int = 1,
    plugins: Mapping[str, str] | None = None,
    command: Sequence[str] | None = None,
    more: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return what `run.json` says of a new run: what only the trainer knows, and where and when it began.

    Args:
        device: such as `cpu` or `cuda (NVIDIA H100)`.
        recipe_digest: of the recipe with all its defaults: two runs with the same one were played by the same rules.
        world_size: processes that train together.
        plugins: version by distribution.
        command: the command line, that of this process where nothing is said; secrets are masked.
        more: anything else worth keeping in `run.json` and as tags.
    """
    versions = {package: importlib.metadata.version(package) for package in PACKAGES}
    return {
        "id": uuid.uuid4().hex,
        "start": time.time(),
        "recipe_digest": recipe_digest,
        "versions": {"python": platform.python_version(), **versions},
        "plugins": dict(plugins or {}),
        "git_commit": git_commit(),
        "command": redact_command(sys.argv if command is None else command),
        "working_folder": str(Path.cwd()),
        "world_size": world_size,
        "device": device,
        **(more or {}),
    }
