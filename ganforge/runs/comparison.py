"""Runs side by side: what their recipes do not have in common, what came out, several seeds as one."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ganforge.evaluation.evaluate import sample_std
from ganforge.runs.run import Run, is_irrelevant_key


@dataclass(frozen=True)
class Mean:
    """A value over several seeds: mean, standard deviation of a sample (n - 1; None for one) and how many."""

    mean: float
    std: float | None
    count: int


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


def group_seeds(runs: Sequence[Run]) -> list[list[Run]]:
    """Put runs together that differ by their seed alone, in the order in which they come.

    A seed that was played twice by the same rules tells nothing about chance: the second run is in a group of its own.
    """
    found: list[list[Run]] = []
    for run in runs:
        fitting = [group for group in found if group[0].rules == run.rules]
        free = [group for group in fitting if all(other.seed != run.seed for other in group)]
        if free:
            free[0].append(run)
        else:
            found.append([run])
    return [sorted(group, key=lambda run: run.seed) for group in found]


def counted_runs(group: Sequence[Run]) -> list[Run]:
    """Return those runs of a group that means are taken over: the finished ones, or all where none is."""
    return [run for run in group if run.status == "finished"] or list(group)


def mean_of(values: Sequence[float]) -> Mean:
    """Return the mean of at least one value."""
    return Mean(statistics.fmean(values), sample_std(values), len(values))


def short_names(runs: Sequence[Run]) -> Iterator[str]:
    """Yield a short name for each run: its folder's, with the folders above it where two have the same."""
    short = [run.folder.resolve().name for run in runs]
    for run, name in zip(runs, short, strict=True):
        yield name if short.count(name) == 1 else str(run.folder)
