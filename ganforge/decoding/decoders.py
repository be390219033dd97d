"""Processes that decode images: started when needed, and again when one died."""

from __future__ import annotations

import os
import queue
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from multiprocessing.connection import Connection
from typing import Final

import numpy as np

from ganforge.decoding.image import BadImageError, Channels, ImageHeader
from ganforge.decoding.worker import BAD, BROKEN, HEADER, LARGE_IMAGE, REQUEST, SECONDS, WANT_HEADER, WANT_PIXELS
from ganforge.errors import DataError

COMMAND: Final = (sys.executable, "-P", "-m", "ganforge.decoding.worker")
PATIENCE = 300.0  # seconds by the clock for one image; its process has less by its own
ENVIRONMENT = ("PATH", "HOME", "LANG", "LD_LIBRARY_PATH", "PYTHONHOME", "PYTHONPATH", "TMPDIR")  # no secrets go there
CRASHES = (signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGABRT, signal.SIGTRAP)


class DecoderProcess:
    """One process that decodes one image at a time.

    An image that crashes it, or takes too long, is bad. A process that somebody else ends is started once more.

    Args:
        large: held while a large image is decoded.
        command: that starts it.
        patience: seconds by the clock for one image.
    """

    def __init__(self, large: threading.Lock, command: Sequence[str] = COMMAND, patience: float = PATIENCE) -> None:
        self.large, self.command, self.patience = large, command, patience
        self.process: subprocess.Popen[bytes] | None = None
        self.stopped = False
        self._connection: Connection | None = None

    def read_header(self, data: bytes) -> ImageHeader:
        """Return the header of an image.

        Raises:
            BadImageError: it cannot be read.
        """
        channels, width, height = HEADER.unpack(self._ask(REQUEST.pack(WANT_HEADER, 1, 1), data))
        return ImageHeader(1 if channels == 1 else 3, width, height)

    def decode(self, data: bytes, resolution: int, channels: Channels) -> np.ndarray:
        """Return an image as uint8 [resolution, resolution, channels]; see `ganforge.decoding.image.decode_image`.

        Raises:
            BadImageError: it cannot be decoded.
        """
        found = self._ask(REQUEST.pack(WANT_PIXELS, resolution, channels), data)
        return np.frombuffer(found, np.uint8).reshape(resolution, resolution, channels)

    def stop(self) -> None:
        """End the process from another thread than the one that waits for it: that one gets an `EOFError`."""
        self.stopped, process = True, self.process
        if process is not None:
            process.kill()

    def close(self) -> None:
        """End the process."""
        if self._connection is not None:
            self._connection.close()
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        self._connection = self.process = None

    def _ask(self, request: bytes, data: bytes) -> memoryview:
        ends: list[int] = []
        while len(ends) < 2:
            if self.stopped:
                raise EOFError("decoding was stopped")
            connection = self._connection or self._start()
            try:
                connection.send_bytes(request)
                connection.send_bytes(data)
                return self._answer(connection)
            except BlockingIOError:  # the time that the socket allows is over
                self.close()
                raise BadImageError(f"decoding it took more than {self.patience:g} s") from None
            except (EOFError, OSError):
                ends.append(self._end())
            if ends[-1] == -signal.SIGPROF:
                raise BadImageError(f"decoding it took more than {SECONDS} s of processor time")
        if -ends[-1] in CRASHES:
            raise BadImageError(f"its decoder crashed ({signal.Signals(-ends[-1]).name})")
        said = " and with ".join(f"code {end}" if end >= 0 else signal.Signals(-end).name for end in ends)
        raise DataError(
            f"the process that decodes images ended twice, with {said}, at the same image; did the machine run out of "
            "memory? Start again: nothing is lost"
        )

    def _answer(self, connection: Connection) -> memoryview:
        answer = connection.recv_bytes()
        if answer == LARGE_IMAGE:
            with self.large:
                connection.send_bytes(b"")
                answer = connection.recv_bytes()
        kind, found = answer[:1], memoryview(answer)[1:]
        if kind == BAD:
            raise BadImageError(str(found, "utf-8"))
        if kind == BROKEN:
            raise RuntimeError(f"the process that decodes images failed:\n{str(found, 'utf-8')}")
        return found

    def _start(self) -> Connection:
        own, other = socket.socketpair()
        timeout = struct.pack("@ll", *divmod(int(self.patience * 1e6), 10**6))  # as the system wants it
        for direction in (socket.SO_SNDTIMEO, socket.SO_RCVTIMEO):
            own.setsockopt(socket.SOL_SOCKET, direction, timeout)
        self._connection = Connection(own.detach())
        try:
            self.process = subprocess.Popen(
                list(self.command),
                stdin=other.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,  # libtiff writes there whatever it does not like
                env={name: os.environ[name] for name in ENVIRONMENT if name in os.environ}
                | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
                start_new_session=True,  # Ctrl-C is for who asked
            )
        except OSError as error:
            self.close()
            raise DataError(f"cannot start a process that decodes images: {error.strerror or error}") from error
        finally:
            other.close()
        return self._connection

    def _end(self) -> int:
        """Return how the process ended."""
        assert self.process is not None
        try:
            code = self.process.wait(10)
        except subprocess.TimeoutExpired:
            code = -signal.SIGKILL
        self.close()
        return code


class DecoderPool(AbstractContextManager["DecoderPool"]):
    """A few decoders, each for one thread at a time.

    Args:
        count: processes at most; none is started before it is needed.
        command: that starts one.
        patience: seconds by the clock for one image.
    """

    def __init__(self, count: int, command: Sequence[str] = COMMAND, patience: float = PATIENCE) -> None:
        large = threading.Lock()
        self._all = [DecoderProcess(large, command, patience) for _ in range(count)]
        self._idle: queue.SimpleQueue[DecoderProcess] = queue.SimpleQueue()
        for decoder in self._all:
            self._idle.put(decoder)

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
    def borrow(self) -> Iterator[DecoderProcess]:
        """Lend a decoder; wait for one."""
        decoder = self._idle.get()
        try:
            yield decoder
        finally:
            self._idle.put(decoder)
