"""The same work in several processes that find each other over gloo, forked from one that has imported everything."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch

from support.forks import Forked, forked_together


def _work(work: Callable[..., object], arguments: tuple[Any, ...]) -> None:
    """Do it in place of a command line."""
    try:
        work(*arguments)
    finally:
        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()
    sys.exit(0)


def start_in_processes(processes: int, folder: Path, work: Callable[..., object], *arguments: Any) -> list[Forked]:
    """Start so many processes at the same work, which is a function of a module that can be imported."""
    folder.mkdir(parents=True, exist_ok=True)
    prepare = partial(_work, work, arguments)
    if processes == 1:
        return [Forked([], folder, prepare=prepare)]
    return forked_together([], folder, processes, prepare)


def in_processes(processes: int, folder: Path, work: Callable[..., object], *arguments: Any) -> None:
    """Let so many processes do the same work, and see that all went well. What they say is in the folder."""
    members = start_in_processes(processes, folder, work, *arguments)
    codes = [member.wait(240) for member in members]
    assert codes == [0] * processes, "\n".join(member.said for member in members)
