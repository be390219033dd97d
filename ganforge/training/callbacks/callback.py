"""Callback: the base of what is done between rounds."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar

from ganforge.training.session import Session


class Callback(ABC):
    """Something done between rounds, on every process at the same images shown.

    Args:
        every_images: how often; None = only at the end.
        at_end: once more when the run is over.
    """

    of_evaluation: ClassVar[bool] = False  # it has to do with evaluations, which may be cut short and done again
    activity: ClassVar[str] = "between rounds"  # words for messages about what goes wrong meanwhile
    memory_settings: Mapping[str, str] = MappingProxyType({})  # recipe's keys that decide its memory: what each counts

    def __init__(self, every_images: int | None, *, at_end: bool = True) -> None:
        self.every_images, self.at_end = every_images, at_end

    def due(self, session: Session, before: int) -> bool:
        """Whether it is time: a multiple of `every_images` was passed since `before`, or the run is over."""
        if session.over and self.at_end:
            return True
        return is_due(session.images, before, self.every_images)

    def begin(self, session: Session) -> None:  # noqa: B027 - doing nothing is a sensible default
        """Prepare, once, before the first round of this process (resumed or not)."""

    def rolled_back(self, session: Session) -> None:  # noqa: B027 - most remember nothing
        """Forget what was remembered of rounds that are undone: the session was just rolled back."""

    @abstractmethod
    def run(self, session: Session) -> None:
        """Do it."""


def is_due(images: int, before: int, every_images: int | None) -> bool:
    """Whether a multiple of `every_images` was passed since `before`; None is never passed."""
    return every_images is not None and images // every_images > before // every_images
