"""Migrations of checkpoints of older formats, one step at a time to the present one.

A run of weeks goes on after an upgrade: docs/checkpoints.md promises it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from ganforge.errors import CheckpointError

Content = tuple[dict[str, Tensor], dict[str, Any]]

FORMAT = 3  # of what is written now


def _one_to_two(tensors: dict[str, Tensor], facts: dict[str, Any]) -> Content:
    """Format 1 said nothing of roll-backs, of weights taken over, or of an evaluation that was cut short."""
    return tensors, {"life": 0, "taken_over": {}, "cut_short": None} | facts


def _two_to_three(tensors: dict[str, Tensor], facts: dict[str, Any]) -> Content:
    """Format 2 had other words for the same."""
    words = {
        "life": "rollbacks",
        "taken_over": "start_weights",
        "cut_short": "interrupted_at",
        "ledger": "running_means",
    }
    folders = {"ledger": "running_means", "kept": "callbacks"}
    moved = {name: name.split("/", 1) for name in tensors if name.partition("/")[0] in folders}
    paths = {name: f"{folders[folder]}/{rest}" for name, (folder, rest) in moved.items()}
    renamed = {paths.get(name, name): tensor for name, tensor in tensors.items()}
    return renamed, {words.get(name, name): fact for name, fact in facts.items()}


STEPS: Mapping[int, Callable[[dict[str, Tensor], dict[str, Any]], Content]] = {1: _one_to_two, 2: _two_to_three}


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
