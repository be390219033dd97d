"""Signals, Ctrl-C and SIGTERM: the first one asks for an end between rounds, the second one ends at once."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from ganforge.api.metric import EvaluationInterruptedError


class Signals:
    """While entered, remembers the first signal, and raises `KeyboardInterrupt` on the second.

    As long as it is not `patient`, since there is nothing to save yet, the first one raises it, too.

    Args:
        talks: say so on the first one; one process of several does.
    """

    def __init__(self, *, talks: bool = True) -> None:
        self.number: int | None = None
        self.talks, self.patient, self._drops = talks, False, False
        self._before: dict[int, object] = {}

    @property
    def asked(self) -> bool:
        """Whether somebody asked for an end."""
        return self.number is not None

    @property
    def name(self) -> str:
        """The signal's name."""
        return signal.Signals(self.number).name if self.number is not None else "a signal to another process"

    @property
    def exit_code(self) -> int:
        """What a process ended by the signal exits with; 130 for Ctrl-C, 143 for SIGTERM, and where another got it."""
        return 128 + (self.number or signal.SIGTERM)

    def __enter__(self) -> Signals:
        if threading.current_thread() is not threading.main_thread():
            return self  # only the main thread may listen: elsewhere nobody can ask for an end
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._hear)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """Run work that may be dropped wherever it stands.

        Raises:
            EvaluationInterruptedError: on the first signal, or at once where there has been one.
        """
        self._drops = True
        try:
            if self.asked:
                raise EvaluationInterruptedError
            yield
        finally:
            self._drops = False

    def _hear(self, number: int, frame: FrameType | None) -> None:
        at_once = self.number is not None or not self.patient
        self.number = self.number or number
        if at_once:
            raise KeyboardInterrupt
        if self.talks:
            with suppress(OSError):  # nobody listens; and what was being written may be written on
                os.write(2, b"\nstopping after this round, with a checkpoint; once more to stop at once\n")
        if self._drops:
            raise EvaluationInterruptedError
