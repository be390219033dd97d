"""Groups of runs: several seeds of one recipe, and what they are called."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile

from ganforge.runs.summary import RunSummary


@dataclass(frozen=True)
class RunGroup:
    """One run, or several seeds of one recipe.

    Args:
        name: for people.
        runs: in the order of their seeds.
        summary: it sums up the groups before it, each of one run.
    """

    name: str
    runs: tuple[RunSummary, ...]
    summary: bool = False

    @property
    def counted(self) -> list[RunSummary]:
        """The runs that means are taken over: the finished ones, or all where none is."""
        return [run for run in self.runs if run.status == "finished"] or list(self.runs)


def group_seeds(runs: Sequence[RunSummary]) -> list[RunGroup]:
    """Put runs together that differ by their seed alone, in the order in which they come.

    A seed that was played twice by the same rules tells nothing about chance: the second run is in a group of its own.
    """
    found: list[list[RunSummary]] = []
    for run in runs:
        rules = {**run.recipe, "seed": None}
        alike = (group for group in found if {**group[0].recipe, "seed": None} == rules)
        free = next((group for group in alike if all(other.seed != run.seed for other in group)), None)
        if free is None:
            found.append([run])
        else:
            free.append(run)
    names = dict(zip([run.folder for run in runs], short_names(runs), strict=True))
    return [
        RunGroup(_common_name(group, [names[run.folder] for run in group]), tuple(sorted(group, key=lambda r: r.seed)))
        for group in found
    ]


def short_names(runs: Sequence[RunSummary]) -> Iterator[str]:
    """Yield a short name for each run: its folder's, with the folders above it where two have the same."""
    short = [run.folder.resolve().name for run in runs]
    for run, name in zip(runs, short, strict=True):
        yield name if short.count(name) == 1 else str(run.folder)


def _common_name(group: Sequence[RunSummary], names: Sequence[str]) -> str:
    """Return what the names of several seeds have in common; the folder above them where that is nothing."""
    if len(names) == 1:
        return names[0]
    common = takewhile(lambda letters: len(set(letters)) == 1, zip(*names, strict=False))
    stem = "".join(letters[0] for letters in common).removesuffix("seed").rstrip("-_. ")
    return stem or group[0].folder.resolve().parent.name
