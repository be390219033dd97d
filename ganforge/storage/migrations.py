"""Checkpoints of older formats, one step at a time to the present one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from ganforge.errors import CheckpointError

Content = tuple[dict[str, Tensor], dict[str, Any]]

FORMAT = 2  # of what is written now


def _one_to_two(tensors: dict[str, Tensor], facts: dict[str, Any]) -> Content:
    """Format 1 said nothing of roll-backs, of weights taken over, or of an evaluation that was cut short."""
    return tensors, {"life": 0, "taken_over": {}, "cut_short": None} | facts


STEPS: Mapping[int, Callable[[dict[str, Tensor], dict[str, Any]], Content]] = {1: _one_to_two}


def migrate(format_: int, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> Content:
    """Return the content of a checkpoint of some format as it would be in the present one.

    Raises:
        CheckpointError: nothing is known of that format.
    """
    content = dict(tensors), dict(facts)
    for step in range(format_, FORMAT):
        if step not in STEPS:
            raise CheckpointError(f"it is of format {format_}, and the oldest that can be read is {min(STEPS)}")
        content = STEPS[step](*content)
    return content
