"""`ganforge` in processes that are forked from one that has imported it: a tenth of a second each, not five."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ganforge.launch import environment_of, free_port

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["support_forks_loaded"])


def _play(
    arguments: Sequence[str], folder: Path, environment: Mapping[str, str], said: Path, prepare: Callable[[], None]
) -> None:
    import torch

    from ganforge.cli import main

    output = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(output, stream)
    os.environ.update(environment)
    os.chdir(folder)
    torch.set_num_threads(1)
    prepare()
    main(arguments)


def nothing() -> None:
    """What a process that is to be as it is prepares."""


class Forked:
    """`ganforge ARGUMENTS` in a process of its own.

    Args:
        arguments: of the command line.
        folder: where it works.
        environment: variables that differ from those of this process.
        prepare: called in it beforehand; a function of a module that can be imported, or a `functools.partial` of one.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        folder: Path,
        environment: Mapping[str, str] | None = None,
        prepare: Callable[[], None] = nothing,
    ) -> None:
        there = len(list(folder.glob("said-*")))
        self._said = folder / f"said-{there}"
        self._said.touch()
        here = {name: os.environ[name] for name in ("GANFORGE_CACHE", "GANFORGE_PLUGINS") if name in os.environ}
        self._process = _CONTEXT.Process(
            target=_play, args=(tuple(arguments), folder, here | dict(environment or {}), self._said, prepare)
        )
        self._process.start()

    @property
    def said(self) -> str:
        """All that it wrote to stdout and stderr so far."""
        return self._said.read_text()

    @property
    def running(self) -> bool:
        """Whether it is."""
        return self._process.is_alive()

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        assert self._process.pid is not None
        os.kill(self._process.pid, number)

    def wait(self, seconds: float = 60) -> int:
        """Return its exit code, minus the signal that ended it; it is killed where it does not end in time."""
        self._process.join(seconds)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
            raise AssertionError(f"it did not end within {seconds} s; it said:\n{self.said}")
        assert self._process.exitcode is not None
        return self._process.exitcode

    def wait_for(self, what: Callable[[], bool], seconds: float = 60) -> None:
        """Wait until something is so, as long as it runs."""
        deadline = time.monotonic() + seconds
        while not what():
            assert self.running, self.said
            assert time.monotonic() < deadline, self.said
            time.sleep(0.01)

    def kill(self) -> None:
        """End it with SIGKILL, if it is not at an end."""
        self._process.kill()
        self._process.join()


def forked_together(
    arguments: Sequence[str], folder: Path, processes: int, prepare: Callable[[], None] = nothing
) -> list[Forked]:
    """The processes of one run, as a launcher would start them."""
    port = free_port()
    return [
        Forked(arguments, folder, environment_of(rank, processes, port), prepare=prepare) for rank in range(processes)
    ]
