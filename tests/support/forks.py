"""`ganforge` in processes that are forked from one that has imported it: a tenth of a second each, not five."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import pickle
import select
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ganforge.distributed.launch import free_port, process_environment
from support.paths import PYTHONPATH


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
        self._said = folder / f"said-{len(list(folder.glob('said-*')))}"
        self._said.touch()
        order = {
            "arguments": list(arguments),
            "folder": str(folder),
            "environment": {**os.environ, "OMP_NUM_THREADS": "1", **(environment or {})},
            "said": str(self._said),
            "prepare": base64.b64encode(pickle.dumps(prepare)).decode(),
        }
        self._nursery = _Nursery.get()
        self.pid = self._nursery.start(order)

    @property
    def said(self) -> str:
        """All that it wrote to stdout and stderr so far."""
        return self._said.read_text()

    @property
    def running(self) -> bool:
        """Whether it is."""
        return self._nursery.code_of(self.pid) is None

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        assert self.running, self.said
        os.kill(self.pid, number)

    def wait(self, seconds: float = 60) -> int:
        """Return its exit code, minus the signal that ended it; it is killed where it does not end in time."""
        code = self._nursery.code_of(self.pid, seconds)
        if code is None:
            os.kill(self.pid, signal.SIGKILL)
            raise AssertionError(f"it did not end within {seconds} s; it said:\n{self.said}")
        return code

    def wait_for(self, what: Callable[[], object], seconds: float = 60) -> None:
        """Wait until something is so, as long as it runs."""
        deadline = time.monotonic() + seconds
        while not what():
            assert self.running, self.said
            if time.monotonic() > deadline:
                os.kill(self.pid, signal.SIGKILL)
                raise AssertionError(f"that did not come within {seconds} s; it said:\n{self.said}")
            time.sleep(0.005)


def forked_together(
    arguments: Sequence[str], folder: Path, processes: int, prepare: Callable[[], None] = nothing
) -> list[Forked]:
    """The processes of one run, as a launcher would start them."""
    port = free_port()
    return [
        Forked(arguments, folder, process_environment(rank, processes, port), prepare=prepare)
        for rank in range(processes)
    ]


class _Nursery:
    """The process that others are forked from; it ends with this one, and they with it."""

    known: _Nursery | None = None

    @classmethod
    def get(cls) -> _Nursery:
        """Return the one of this process."""
        if cls.known is None or cls.known.owner != os.getpid():
            cls.known = cls()
        return cls.known

    def __init__(self) -> None:
        self.owner = os.getpid()
        self._process = subprocess.Popen(
            [sys.executable, "-c", "from support import forks; forks.serve()"],
            env={**os.environ, "PYTHONPATH": PYTHONPATH, "OMP_NUM_THREADS": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._codes: dict[int, int | None] = {}
        self._rest = b""

    def start(self, order: Mapping[str, object]) -> int:
        """Fork one; return its process id."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        self._process.stdin.flush()
        known = set(self._codes)
        while not (new := set(self._codes) - known):
            self._listen(60)
        return new.pop()

    def code_of(self, pid: int, seconds: float = 0.0) -> int | None:
        """Return the exit code of one, waiting for it so long; None where it still runs."""
        deadline = time.monotonic() + seconds
        self._listen(0)
        while self._codes[pid] is None and time.monotonic() < deadline:
            self._listen(deadline - time.monotonic())
        return self._codes[pid]

    def _listen(self, seconds: float) -> None:
        assert self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], max(seconds, 0))
        if not ready:
            return
        data = os.read(self._process.stdout.fileno(), 65536)
        assert data, "the process that others are forked from has died"
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            pid, code = json.loads(line)
            self._codes[pid] = code


def serve() -> None:
    """Fork a process for each order that comes in, and tell of those that end; ends with its input."""
    import PIL.PngImagePlugin  # noqa: F401
    import torch._dynamo  # noqa: F401 - the first weights that are drawn would load it

    from ganforge.plugins.loading import load_catalogue

    load_catalogue(only=[])
    wake, woken = os.pipe()
    for descriptor in (wake, woken):
        os.set_blocking(descriptor, False)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the tests, which end this one
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(woken)
    rest, pids = b"", set[int]()
    while True:
        ready, _, _ = select.select([0, wake], [], [])
        if wake in ready:
            with contextlib.suppress(BlockingIOError):
                os.read(wake, 4096)
            while pids and (ended := os.waitpid(-1, os.WNOHANG))[0]:
                pids.discard(ended[0])
                _tell(ended[0], os.waitstatus_to_exitcode(ended[1]))
        if 0 in ready:
            data = os.read(0, 1 << 20)
            if not data:
                break
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                pid = os.fork()
                if not pid:
                    _play(json.loads(line))
                pids.add(pid)
                _tell(pid, None)
    for pid in pids:
        os.kill(pid, signal.SIGKILL)


def _tell(pid: int, code: int | None) -> None:
    os.write(1, json.dumps([pid, code]).encode() + b"\n")


def _play(order: Mapping[str, object]) -> None:
    """Be the process that was ordered, to its end."""
    import torch

    from ganforge.cli import main

    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    said = os.open(order["said"], os.O_WRONLY | os.O_APPEND)
    nowhere = os.open(os.devnull, os.O_RDONLY)
    for new, stream in ((nowhere, 0), (said, 1), (said, 2)):
        os.dup2(new, stream)
    code = 1
    try:
        os.environ.clear()
        os.environ.update(order["environment"])
        os.chdir(order["folder"])
        torch.set_num_threads(1)
        pickle.loads(base64.b64decode(order["prepare"]))()
        main(order["arguments"])
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:  # noqa: BLE001 - the interpreter would show any of them
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
