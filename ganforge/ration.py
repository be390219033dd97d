"""Memory is asked for before it is taken: what cannot be built is refused in words, and not killed by the system."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from ganforge.errors import MemoryShortageError
from ganforge.memory import in_words

SMALL = 2**26  # bytes that may be asked for without looking at what there is
_MEMORY = Path("/proc/meminfo")
_LIMITS = (  # of a container: how much it may take, how much it has taken
    (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")),
    (Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"), Path("/sys/fs/cgroup/memory/memory.usage_in_bytes")),
)


def available() -> int:
    """Return how many bytes of main memory can be had now; where the system does not tell, as many as there are."""
    found = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    if _MEMORY.is_file():
        table = dict(line.split(":", 1) for line in _MEMORY.read_text().splitlines() if ":" in line)
        if "MemAvailable" in table:
            found.append(int(table["MemAvailable"].split()[0]) * 1024)
    for limit, taken in _LIMITS:
        if limit.is_file() and taken.is_file() and limit.read_text().strip().isdecimal():
            found.append(int(limit.read_text()) - int(taken.read_text()))
    return max(min(found), 0)


def check_room(size: int, what: str, remedy: str) -> None:
    """Raise a `MemoryShortageError` where `size` bytes are more than there is room for.

    Args:
        size: in bytes.
        what: that would take them, in words.
        remedy: what would help, in words.
    """
    if size > SMALL and size > (free := available()):
        raise MemoryShortageError(f"{what} would take {in_words(size)}, and {in_words(free)} are free; {remedy}")


class Ration(TorchDispatchMode):
    """While it is entered, a tensor is made only where there is memory for it.

    Args:
        what: is being made, in words.
        remedy: what would help, in words.
    """

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.what, self.remedy = what, remedy
        self.unseen = 0  # bytes that were asked for since it was last looked

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Look before a tensor of a given size is made."""
        named = dict(kwargs or {})
        size = _size(func, args, named)
        if size is not None:
            self.unseen += math.prod(size) * (named.get("dtype") or torch.get_default_dtype()).itemsize
            if self.unseen > SMALL:
                check_room(self.unseen, f"{self.what} (a tensor of {' x '.join(map(str, size))})", self.remedy)
                self.unseen = 0
        return func(*args, **named)


def _size(func: Any, args: tuple[Any, ...], named: Mapping[str, Any]) -> list[int] | None:
    """Return the size of the tensor that an operator makes, where its arguments tell."""
    for place, argument in enumerate(() if func.is_view else func._schema.arguments):
        if argument.name in ("size", "n"):
            value = named.get(argument.name, args[place] if place < len(args) else 0)
            size = list(value) if isinstance(value, list | tuple) else [value]
            return [abs(side) for side in size] if all(isinstance(side, int) for side in size) else None
    return None
