"""Logs made up line by line, and the recipes that they are to be logs of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from ganforge.api.families import Monitor
from ganforge.api.monitor import Finding, LogLine
from ganforge.api.plan import Plan
from ganforge.plugins.catalogue import Catalogue
from ganforge.plugins.loading import load_catalogue
from ganforge.recipes.recipe import plan_of, read_recipe
from support.paths import RECIPES

BATCH, ROUNDS = 32, 50  # of these logs: samples in a round, rounds to a line
REAL = {
    "real/mean": -0.37,
    "real/min": -1.0,
    "real/max": 1.0,
    "real/variance": 0.22,
    "real/contrast": 0.69,
    "real/roughness": 0.12,
    "real/distance": 0.63,
    "real/nearest": 0.33,
    "real/duplicates": 0.0,
    "real/least_class_distance": 0.4,
}
_CATALOGUE: list[Catalogue] = []


def plan(recipe: str = "dcgan_digits", *overrides: str) -> Plan:
    """The plan of a recipe of ours, without its metrics, which may need more than is installed."""
    if not _CATALOGUE:
        _CATALOGUE.append(load_catalogue(only=[]))
    return plan_of(read_recipe(RECIPES / f"{recipe}.toml", _CATALOGUE[0], ["metrics=[]", *overrides]), _CATALOGUE[0])


def grid(share: float = 1.0, **values: float) -> dict[str, float]:
    """Readings of generated samples: those of real ones times `share`, or as given."""
    made = {name.replace("real/", "grid/"): value * share for name, value in REAL.items()}
    return made | {"grid/mean": -0.37, "grid/min": -1.0, "grid/max": 1.0} | group("grid", **values)


def group(prefix: str, **values: float) -> dict[str, float]:
    return {f"{prefix}/{name}": value for name, value in values.items()}


def log(
    count: int, values: Callable[[int], Mapping[str, float]], first: Mapping[str, float] | None = None
) -> list[LogLine]:
    """A log of the line before training and `count` more, of whose number (1, 2, ...) `values` are a function."""
    lines = [LogLine.of(0, 0, first if first is not None else REAL)]
    return lines + [LogLine.of(n * BATCH * ROUNDS, n * ROUNDS, values(n)) for n in range(1, count + 1)]


def say(monitor: Monitor, lines: Sequence[LogLine], of: Plan | None = None) -> list[tuple[int, Finding]]:
    """What the monitor says, each with the number of the line."""
    watcher = monitor.build(of if of is not None else plan())
    return [(number, finding) for number, line in enumerate(lines) for finding in watcher.look(line)]


def first(
    monitor: Monitor, lines: Sequence[LogLine], recipe: str = "dcgan_digits", *overrides: str
) -> tuple[int, Finding]:
    """What it says first, and on which line; its remedies must be overrides of the recipe, and change it."""
    said = say(monitor, lines, plan(recipe, *overrides))
    assert said, "nothing was said"
    number, finding = said[0]
    assert finding.name == monitor.kind
    was = plan(recipe, *overrides).recipe
    for remedy in finding.remedies:
        assert plan(recipe, *overrides, remedy).recipe != was, remedy
    assert finding.evidence
    assert any(letter.isdigit() for letter in finding.evidence), "evidence has numbers"
    return number, finding
