"""Memory: what it looks like to run out of it, and how to refuse what would not fit."""

from __future__ import annotations

import errno
import math
import re
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from ganforge.errors import MemoryShortageError, format_bytes

_UNITS = {"bytes": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40, "PiB": 2**50, "EiB": 2**60}
_ASKED = re.compile(r"(?:allocate|allocating) ([\d.]+) ?(bytes|[KMGTPE]iB)")
_SIGNS = {  # of errors that are no torch.OutOfMemoryError, and whose memory it was
    "can't allocate memory": "CPU",
    "not enough memory": "CPU",
    "bad_alloc": "CPU",
    "out of memory": "GPU",
    "ALLOC_FAILED": "GPU",
}


def shortage_of(error: BaseException) -> str | None:
    """Return in words what an error says of memory that ran out: PyTorch's, NumPy's, Python's or the system's."""
    text = str(error)
    if isinstance(error, torch.OutOfMemoryError):
        device: str | None = "GPU"
    elif isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        device = "CPU"
    elif isinstance(error, RuntimeError):
        device = next((device for sign, device in _SIGNS.items() if sign in text), None)
    else:
        device = None
    if device is None:
        return None
    asked = _ASKED.search(text)
    more = f": {format_bytes(int(float(asked[1]) * _UNITS[asked[2]]))} more were asked for" if asked else ""
    return f"out of memory on the {device}{more}"


SMALL = 2**26  # bytes that may be asked for without looking at what there is
_LIMITS = (  # of a container: how much it may take, how much it has taken
    (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")),
    (Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"), Path("/sys/fs/cgroup/memory/memory.usage_in_bytes")),
)


def available_memory() -> int:
    """Return how many bytes of main memory can be had now."""
    found: list[int] = [psutil.virtual_memory().available]
    for limit, taken in _LIMITS:
        if limit.is_file() and taken.is_file() and limit.read_text().strip().isdecimal():
            found.append(int(limit.read_text()) - int(taken.read_text()))
    return max(min(found), 0)


def check_memory(size: int, what: str, remedy: str) -> None:
    """Raise a `MemoryShortageError` where `what` takes `size` bytes, more than there is room for."""
    if size > SMALL and size > (free := available_memory()):
        raise MemoryShortageError(
            f"{what} would take {format_bytes(size)}, and {format_bytes(free)} are free; {remedy}"
        )


class MemoryGuard(TorchDispatchMode):
    """While it is entered, a tensor is made only where there is memory for it; see `check_memory`."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.what, self.remedy = what, remedy
        self.unseen = 0  # bytes that were asked for since it was last looked

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Look before a tensor of a given size is made."""
        named = dict(kwargs or {})
        size = _size_of(func, args, named)
        if size is not None:
            self.unseen += math.prod(size) * (named.get("dtype") or torch.get_default_dtype()).itemsize
            if self.unseen > SMALL:
                check_memory(self.unseen, f"{self.what} (a tensor of {' x '.join(map(str, size))})", self.remedy)
                self.unseen = 0
        return func(*args, **named)


def _size_of(func: Any, args: tuple[Any, ...], named: Mapping[str, Any]) -> list[int] | None:
    """Return the size of the tensor that an operator makes, where its arguments tell."""
    for place, argument in enumerate(() if func.is_view else func._schema.arguments):
        if argument.name in ("size", "n"):
            value = named.get(argument.name, args[place] if place < len(args) else 0)
            size = list(value) if isinstance(value, list | tuple) else [value]
            return [abs(side) for side in size] if all(isinstance(side, int) for side in size) else None
    return None


def failing_module(error: BaseException, game: nn.Module) -> tuple[str, str | None]:
    """Return the innermost module of a game that was at work: for a text, ", at 'path' (Class)", and its path.

    Where it was the backward pass, there is no path; where it was neither, no text.
    """
    paths = {module: path for path, module in game.named_modules() if path}
    found: tuple[str, str | None] = "", None
    for frame, _ in traceback.walk_tb(error.__traceback__):
        actor = frame.f_locals.get("self")
        if isinstance(actor, nn.Module) and actor in paths:
            found = f", at '{paths[actor]}' ({type(actor).__name__})", paths[actor]
        elif frame.f_code.co_name == "backward" and frame.f_globals.get("__name__") == "torch.autograd":
            found = ", at the backward pass", None
    return found


def turn_memory_error(error: BaseException, game: nn.Module, turn: str, when: str) -> MemoryShortageError | None:
    """Return in words that memory ran out in a turn, having let go of what it had computed; None = it was not that."""
    shortage = shortage_of(error)
    if shortage is None:
        return None
    at, layer = failing_module(error, game)
    traceback.clear_frames(error.__traceback__)
    return MemoryShortageError(f"{shortage}, in turn '{turn}' {when}{at}", turn=turn, layer=layer)
