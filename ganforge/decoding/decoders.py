"""Decoders as who wants images sees them: processes that are started when needed, and again when one died."""

from __future__ import annotations

import os
import queue
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import numpy as np

from ganforge.decoding.image import BadFile, Channels, Head
from ganforge.decoding.worker import ANSWER, BAD, BROKEN, HEAD, HEADER, LARGE_ONE, PIXELS, REQUEST, SECONDS
from ganforge.errors import DataError

COMMAND: Final = (sys.executable, "-P", "-m", "ganforge.decoding.worker")
PATIENCE = 300.0  # seconds by the clock for one image; its process has less by its own
NEEDED = ("PATH", "HOME", "LANG", "LD_LIBRARY_PATH", "PYTHONHOME", "PYTHONPATH", "TMPDIR")  # no secrets go there
CRASHES = (signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGABRT, signal.SIGTRAP)


class Decoder:
    """One process that decodes one image at a time.

    An image that crashes it, or takes too long, is a `BadFile`. A process that somebody else ends is started once more.

    Args:
        large: held while a large image is decoded.
        command: that starts it.
        patience: seconds by the clock for one image.
    """

    def __init__(self, large: threading.Lock, command: Sequence[str] = COMMAND, patience: float = PATIENCE) -> None:
        self.large, self.command, self.patience = large, command, patience
        self.process: subprocess.Popen[bytes] | None = None
        self.stopped = False
        self._line: socket.socket | None = None

    def head(self, data: bytes) -> Head:
        """Return what the header of an image says.

        Raises:
            BadFile: it cannot be read.
        """
        channels, width, height = HEADER.unpack(self._ask(HEAD, 1, 1, data, HEADER.size))
        return Head(1 if channels == 1 else 3, width, height)

    def decode(self, data: bytes, resolution: int, channels: Channels) -> np.ndarray:
        """Return an image as uint8 [resolution, resolution, channels]; see `ganforge.decoding.image.pixels`.

        Raises:
            BadFile: it cannot be decoded.
        """
        found = self._ask(PIXELS, resolution, channels, data, resolution**2 * channels)
        return np.frombuffer(found, np.uint8).reshape(resolution, resolution, channels)

    def stop(self) -> None:
        """End the process from another thread than the one that waits for it: that one gets an `EOFError`."""
        self.stopped, process = True, self.process
        if process is not None:
            process.kill()

    def close(self) -> None:
        """End the process."""
        if self._line is not None:
            self._line.close()
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        self._line = self.process = None

    def _ask(self, wanted: bytes, resolution: int, channels: int, data: bytes, size: int) -> bytes:
        request = REQUEST.pack(wanted, resolution, channels, len(data)) + data
        ends: list[int] = []
        while len(ends) < 2:
            if self.stopped:
                raise EOFError("decoding was stopped")
            line = self._line or self._start()
            try:
                line.sendall(request)
                return self._answer(line, size)
            except TimeoutError:
                self.close()
                raise BadFile(f"decoding it took more than {self.patience:g} s") from None
            except (EOFError, ConnectionError):
                ends.append(self._end())
            if ends[-1] == -signal.SIGPROF:
                raise BadFile(f"decoding it took more than {SECONDS} s of processor time")
        if -ends[-1] in CRASHES:
            raise BadFile(f"its decoder crashed ({signal.Signals(-ends[-1]).name})")
        said = " and with ".join(f"code {end}" if end >= 0 else signal.Signals(-end).name for end in ends)
        raise DataError(
            f"the process that decodes images ended twice, with {said}, at the same image; did the machine run out of "
            "memory? Start again: nothing is lost"
        )

    def _answer(self, line: socket.socket, size: int) -> bytes:
        kind, found = _message(line, size)
        if kind == LARGE_ONE:
            with self.large:
                line.sendall(b"\0")
                kind, found = _message(line, size)
        if kind == BAD:
            raise BadFile(found.decode())
        if kind == BROKEN:
            raise RuntimeError(f"the process that decodes images failed:\n{found.decode()}")
        return found

    def _start(self) -> socket.socket:
        environment = {name: os.environ[name] for name in NEEDED if name in os.environ}
        self._line, other = socket.socketpair()
        self._line.settimeout(self.patience)
        try:
            self.process = subprocess.Popen(
                list(self.command),
                stdin=other.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,  # libtiff writes there whatever it does not like
                env={**environment, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
                start_new_session=True,  # Ctrl-C is for who asked
            )
        except OSError as error:
            self.close()
            raise DataError(f"cannot start a process that decodes images: {error.strerror or error}") from error
        finally:
            other.close()
        return self._line

    def _end(self) -> int:
        """Return how the process ended."""
        assert self.process is not None
        try:
            code = self.process.wait(10)
        except subprocess.TimeoutExpired:
            code = -signal.SIGKILL
        self.close()
        return code


class Decoders:
    """A few decoders, each for one thread at a time.

    Args:
        count: processes at most; none is started before it is needed.
        command: that starts one.
        patience: seconds by the clock for one image.
    """

    def __init__(self, count: int, command: Sequence[str] = COMMAND, patience: float = PATIENCE) -> None:
        large = threading.Lock()
        self._all = [Decoder(large, command, patience) for _ in range(count)]
        self._idle: queue.SimpleQueue[Decoder] = queue.SimpleQueue()
        for decoder in self._all:
            self._idle.put(decoder)

    def __enter__(self) -> Decoders:
        return self

    def __exit__(self, *_: object) -> None:
        for decoder in self._all:
            decoder.close()

    def __len__(self) -> int:
        return len(self._all)

    def stop(self) -> None:
        """End all processes, whatever they are doing; whoever waits for one gets an `EOFError`."""
        for decoder in self._all:
            decoder.stop()

    @contextmanager
    def one(self) -> Iterator[Decoder]:
        """Lend a decoder; wait for one."""
        decoder = self._idle.get()
        try:
            yield decoder
        finally:
            self._idle.put(decoder)


def _message(line: socket.socket, size: int) -> tuple[bytes, bytes]:
    """Return the kind and the content of an answer, which is most often of so many bytes."""
    found = bytearray(line.recv(ANSWER.size + size))
    while len(found) < ANSWER.size:
        found += _more(line, ANSWER.size - len(found))
    kind, size = ANSWER.unpack_from(found)
    while len(found) < ANSWER.size + size:
        found += _more(line, ANSWER.size + size - len(found))
    return kind, bytes(found[ANSWER.size :])


def _more(line: socket.socket, most: int) -> bytes:
    found = line.recv(min(most, 2**20))
    if not found:
        raise EOFError
    return found
