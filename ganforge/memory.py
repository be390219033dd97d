"""How the C library keeps memory, which on a CPU decides a tenth of the speed, and what it looks like to run out."""

from __future__ import annotations

import ctypes
import errno
import platform
import re
from dataclasses import dataclass

import torch

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4  # mallopt(3)
_UNITS = {"bytes": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40, "PiB": 2**50, "EiB": 2**60}
_ASKED = re.compile(r"(?:allocate|allocating) ([\d.]+) ?(bytes|[KMGTPE]iB)")
_SIGNS = {  # of errors that are no torch.OutOfMemoryError, and whose memory it was
    "can't allocate memory": "cpu",
    "not enough memory": "cpu",
    "bad_alloc": "cpu",
    "out of memory": "cuda",
    "ALLOC_FAILED": "cuda",
}


def keep_freed_memory() -> bool:
    """Tell glibc to keep freed memory for the next round rather than to give it back to the system.

    Each round allocates what the last one freed, and a page given back must be zeroed again. Does nothing on other C
    libraries.

    Returns:
        Whether it was told.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return all(mallopt(key, value) for key, value in ((_MMAP_MAX, 0), (_TRIM_THRESHOLD, 2**31 - 1), (_TOP_PAD, 2**28)))


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
        asked = "" if self.asked is None else f": {in_words(self.asked)} more were asked for"
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


def in_words(size: int) -> str:
    """Return a number of bytes as people read it."""
    unit = next((unit for unit, bytes_ in reversed(_UNITS.items()) if size >= bytes_), "bytes")
    return f"{size / _UNITS[unit]:.3g} {unit}"
