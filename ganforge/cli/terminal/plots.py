"""Sparklines: curves in one line of text."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

LEVELS = "▁▂▃▄▅▆▇█"
LOGARITHMIC_FROM = 100.0  # largest over smallest value, from which on heights are logarithms


def sparkline(values: Sequence[float], width: int) -> str:
    """Return values as `width` blocks from low to high, means where there are more values than room.

    Args:
        values: NaN where there is none; such places stay empty.
        width: columns.
    """
    heights = resample(values, width)
    finite = [value for value in heights if math.isfinite(value)]
    if not finite:
        return " " * len(heights)
    scale = math.log10 if is_logarithmic(values) else float
    low, high = scale(min(finite)), scale(max(finite))
    step = (high - low) / (len(LEVELS) - 1) or 1.0
    return "".join(LEVELS[round((scale(value) - low) / step)] if math.isfinite(value) else " " for value in heights)


def resample(values: Sequence[float], width: int) -> list[float]:
    """Return `width` means of neighbours, of the finite ones; NaN where none is finite. Fewer values are drawn out."""
    if len(values) < 2:
        return list(values)
    if len(values) < width:
        return [values[column * len(values) // width] for column in range(width)]
    edges = [column * len(values) // width for column in range(width + 1)]
    parts = [[v for v in values[a:b] if math.isfinite(v)] for a, b in itertools.pairwise(edges)]
    return [sum(part) / len(part) if part else math.nan for part in parts]


def column_of(index: int, length: int, width: int) -> int:
    """Return the column of value `index` of `length` in a curve of `width` columns."""
    if length < width:
        return 0 if length < 2 else -(-index * width // length)
    return ((index + 1) * width - 1) // length


def is_logarithmic(values: Sequence[float]) -> bool:
    """Whether a curve's heights are logarithms: values are positive and differ by a factor of 100 or more."""
    finite = [value for value in values if math.isfinite(value)]
    return bool(finite) and min(finite) > 0 and max(finite) / min(finite) >= LOGARITHMIC_FROM
