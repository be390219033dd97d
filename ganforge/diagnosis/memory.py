"""How the C library keeps memory, which on a CPU decides a tenth of the speed, and what it looks like to run out."""

from __future__ import annotations

import errno
import math
import os
import re
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from ganforge.errors import MemoryShortageError, format_bytes

_UNITS = {"bytes": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40, "PiB": 2**50, "EiB": 2**60}
_ASKED = re.compile(r"(?:allocate|allocating) ([\d.]+) ?(bytes|[KMGTPE]iB)")
_SIGNS = {  # of errors that are no torch.OutOfMemoryError, and whose memory it was
    "can't allocate memory": "cpu",
    "not enough memory": "cpu",
    "bad_alloc": "cpu",
    "out of memory": "cuda",
    "ALLOC_FAILED": "cuda",
}


@dataclass(frozen=True)
class Shortage:
    """Memory that was asked for and could not be had.

    Args:
        device: whose memory: "cpu" or "cuda".
        asked: bytes of the request that failed; None where nobody said.
    """

    device: str
    asked: int | None

    def __str__(self) -> str:
        asked = "" if self.asked is None else f": {format_bytes(self.asked)} more were asked for"
        return f"out of memory on the {'GPU' if self.device == 'cuda' else 'CPU'}{asked}"


def shortage_of(error: BaseException) -> Shortage | None:
    """Return what an error says of memory that ran out: PyTorch's, NumPy's, Python's or the system's; else None."""
    text = str(error)
    if isinstance(error, torch.OutOfMemoryError):
        device: str | None = "cuda"
    elif isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        device = "cpu"
    elif isinstance(error, RuntimeError):
        device = next((device for sign, device in _SIGNS.items() if sign in text), None)
    else:
        device = None
    if device is None:
        return None
    asked = _ASKED.search(text)
    return Shortage(device, None if asked is None else int(float(asked[1]) * _UNITS[asked[2]]))


SMALL = 2**26  # bytes that may be asked for without looking at what there is
_MEMORY = Path("/proc/meminfo")
_LIMITS = (  # of a container: how much it may take, how much it has taken
    (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")),
    (Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"), Path("/sys/fs/cgroup/memory/memory.usage_in_bytes")),
)


def available_memory() -> int:
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


def check_memory(size: int, what: str, remedy: str) -> None:
    """Raise a `MemoryShortageError` where `size` bytes are more than there is room for.

    Args:
        size: in bytes.
        what: that would take them, in words.
        remedy: what would help, in words.
    """
    if size > SMALL and size > (free := available_memory()):
        raise MemoryShortageError(
            f"{what} would take {format_bytes(size)}, and {format_bytes(free)} are free; {remedy}"
        )


class MemoryGuard(TorchDispatchMode):
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


@dataclass(frozen=True)
class FailingModule:
    """Where an error came from.

    Args:
        text: the path and class of a module, or "the backward pass".
        path: of the module; None = the backward pass.
    """

    text: str
    path: str | None = None


def failing_module(error: BaseException, game: nn.Module) -> FailingModule | None:
    """Return which module of a game an error came from; None = neither a module nor the backward pass.

    Args:
        error: with its traceback.
        game: whose module it is, the innermost one that was at work.
    """
    paths = {module: path for path, module in game.named_modules() if path}
    found: FailingModule | None = None
    for frame, _ in traceback.walk_tb(error.__traceback__):
        actor = frame.f_locals.get("self")
        if isinstance(actor, nn.Module) and actor in paths:
            found = FailingModule(f"'{paths[actor]}' ({type(actor).__name__})", paths[actor])
        elif frame.f_code.co_name == "backward" and frame.f_globals.get("__name__") == "torch.autograd":
            found = FailingModule("the backward pass")
    return found


def turn_memory_error(error: BaseException, game: nn.Module, turn: str, when: str) -> MemoryShortageError | None:
    """Return in words that memory ran out in a turn, having let go of what it had computed; None = it was not that.

    Args:
        error: that ended the turn.
        game: at play.
        turn: its name.
        when: such as "after 64 images shown".
    """
    shortage = shortage_of(error)
    if shortage is None:
        return None
    place = failing_module(error, game)
    traceback.clear_frames(error.__traceback__)
    return MemoryShortageError(
        f"{shortage}, in turn '{turn}' {when}{f', at {place.text}' if place else ''}",
        turn=turn,
        layer=place.path if place else None,
    )
