"""Differences of recipes: the entries that runs do not have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ganforge.runs.run import Run, is_irrelevant_key


def differences(runs: Sequence[Run]) -> dict[str, list[Any]]:
    """Return, by key, the entries of recipes that are not the same in all runs; None where a recipe has no such entry.

    Keys are in the order of the recipes; where runs are tracked is left out.
    """
    keys = [key for key in merge_orders([list(run.recipe) for run in runs]) if not is_irrelevant_key(key)]
    found = {key: [run.recipe.get(key) for run in runs] for key in keys}
    return {key: values for key, values in found.items() if any(value != values[0] for value in values)}


def merge_orders(orders: Sequence[Sequence[str]]) -> list[str]:
    """Return all keys of several lists, each new one after the one that it follows in its own list."""
    found: list[str] = []
    for order in orders:
        at = 0
        for key in order:
            if key in found:
                at = found.index(key) + 1
            else:
                found.insert(at, key)
                at += 1
    tables = list(dict.fromkeys(_table(key) for key in found))
    return sorted(found, key=lambda key: tables.index(_table(key)))  # a stable sort: within a table nothing moves


def _table(key: str) -> str:
    """Return the table that a key is told with, such as game.discriminator."""
    steps = key.split(".")
    return ".".join(steps[: min(2, len(steps) - 1)])
