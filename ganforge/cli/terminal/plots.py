"""Curves in one line of text."""

from __future__ import annotations

import itertools
import math
import sys
from collections.abc import Sequence

BLOCKS, PLAIN = "▁▂▃▄▅▆▇█", "_.-=+*#@"
WIDE = 100.0  # largest over smallest value, from which on heights are logarithms


def curve(values: Sequence[float], width: int, *, wide: bool | None = None) -> str:
    """Return values as `width` blocks from low to high, means where there are more values than room.

    Args:
        values: NaN where there is none; such places stay empty.
        width: columns.
        wide: heights are logarithms; None = where values are positive and differ by a factor of 100 or more.
    """
    some = means(values, width)
    finite = [value for value in some if math.isfinite(value)]
    if not finite:
        return " " * len(some)
    wide = is_wide(values) if wide is None else wide
    scale = math.log10 if wide and min(finite) > 0 else float
    low, high = scale(min(finite)), scale(max(finite))
    signs = BLOCKS if _draws_blocks() else PLAIN
    step = (high - low) / (len(signs) - 1)
    if step == 0:
        return "".join(signs[0] if math.isfinite(value) else " " for value in some)
    return "".join(signs[round((scale(value) - low) / step)] if math.isfinite(value) else " " for value in some)


def means(values: Sequence[float], width: int) -> list[float]:
    """Return `width` means of neighbours, of the finite ones; NaN where none is finite. Fewer values are drawn out."""
    if len(values) < 2:
        return list(values)
    if len(values) < width:
        return [values[column * len(values) // width] for column in range(width)]
    edges = [column * len(values) // width for column in range(width + 1)]
    parts = [[v for v in values[a:b] if math.isfinite(v)] for a, b in itertools.pairwise(edges)]
    return [sum(part) / len(part) if part else math.nan for part in parts]


def place(index: int, length: int, width: int) -> int:
    """Return the column of value `index` of `length` in a curve of `width` columns."""
    if length < width:
        return 0 if length < 2 else -(-index * width // length)
    return ((index + 1) * width - 1) // length


def is_wide(values: Sequence[float]) -> bool:
    """Whether a curve's heights are logarithms."""
    finite = [value for value in values if math.isfinite(value)]
    return bool(finite) and min(finite) > 0 and max(finite) / min(finite) >= WIDE


def _draws_blocks() -> bool:
    try:
        BLOCKS.encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
