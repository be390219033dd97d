"""Real processes that find each other over gloo, quickly: forked from a server that has imported everything once."""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import torch

from ganforge.launch import environment_of, free_port

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(
    ["torch", "accelerate", "ganforge.cli.play", "ganforge.cli.measuring", "pytest", "scipy"]
)


def _child(work: Callable[..., Any], arguments: Sequence[Any], environment: Mapping[str, str], said: str) -> None:
    for number, suffix in ((1, "out"), (2, "err")):
        file = os.open(f"{said}.{suffix}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        os.dup2(file, number)
        os.close(file)
    os.environ.update(environment)
    torch.set_num_threads(1)
    try:
        work(*arguments)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()


class Group:
    """Processes at the same work, each told its rank; what each says is in `folder/RANK.out` and `RANK.err`."""

    def __init__(
        self, processes: int, folder: Path, work: Callable[..., Any], *arguments: Any, **environment: str
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        port = free_port()
        self.folder = folder
        self.members: list[BaseProcess] = []
        for rank in range(processes):
            known = environment_of(rank, processes, port) if processes > 1 else {}
            given = (work, arguments, {**known, **environment}, str(folder / str(rank)))
            self.members.append(_CONTEXT.Process(target=_child, args=given, daemon=True))
        for member in self.members:
            member.start()

    def wait(self, timeout: float = 240) -> list[int | None]:
        """Return the exit codes, negative for signals; a process that is still there after the time is killed."""
        deadline = time.monotonic() + timeout
        for member in self.members:
            member.join(max(deadline - time.monotonic(), 0))
            if member.is_alive():
                member.kill()
                member.join()
        return [member.exitcode for member in self.members]

    def said(self, rank: int, where: str = "err") -> str:
        """What a process wrote to stderr, or to stdout."""
        return (self.folder / f"{rank}.{where}").read_text()


def in_processes(processes: int, folder: Path, work: Callable[..., Any], *arguments: Any, **environment: str) -> Group:
    """Let so many processes do the same work, and see that all went well."""
    group = Group(processes, folder, work, *arguments, **environment)
    codes = group.wait()
    assert codes == [0] * processes, "\n".join(group.said(rank) for rank in range(processes))
    return group


def ganforge(*arguments: str, folder: Path) -> None:
    """The command line, in a folder, as a process of its own runs it."""
    from ganforge.cli import main

    os.chdir(folder)
    sys.argv = ["ganforge", *arguments]
    main()
