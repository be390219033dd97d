"""Ctrl-C and SIGTERM: the first one asks for an end between rounds, the second one ends at once."""

from __future__ import annotations

import signal
from types import FrameType

import click


class Signals:
    """While entered, remembers the first signal, and raises `KeyboardInterrupt` on the second.

    Args:
        talks: say so on the first one; one process of several does.
    """

    def __init__(self, *, talks: bool = True) -> None:
        self.number: int | None = None
        self.talks = talks
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
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._hear)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _hear(self, number: int, frame: FrameType | None) -> None:
        if self.number is not None:
            raise KeyboardInterrupt
        self.number = number
        if self.talks:
            click.echo("\nstopping after this round, with a checkpoint; once more to stop at once", err=True)
