"""Reporter: the seam between a run and whoever watches it; importable without torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from ganforge.api.monitor import Finding


class Reporter(Protocol):
    """Where a person is told how things go."""

    def progress(self, images: int) -> None:
        """So many images were shown."""

    def values(self, images: int, values: Mapping[str, float]) -> None:
        """Terms, readings or metrics were logged."""

    def say(self, text: str) -> None:
        """Something happened that a person should read."""

    def finding(self, images: int, finding: Finding) -> None:
        """A monitor found something after so many images shown."""


class SilentReporter:
    """A reporter that says nothing: of processes other than the main one, and of tests and benchmarks."""

    def progress(self, images: int) -> None:
        """Nothing."""

    def values(self, images: int, values: Mapping[str, float]) -> None:
        """Nothing."""

    def say(self, text: str) -> None:
        """Nothing."""

    def finding(self, images: int, finding: Finding) -> None:
        """Nothing."""
