"""The heads of recipes, which say what was measured, and the table of recipes that is made of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from ganforge.api.component import Paper, first_paper

ROOT = Path(__file__).parents[1]
NOT_MEASURED = "not measured here"
KEYS = ("system", "result", "command", "grid")


class Head(NamedTuple):
    """What the head of a recipe says."""

    path: Path
    system: str
    result: str
    command: str
    grid: str
    paper: Paper

    @property
    def measured(self) -> bool:
        """Whether it was run to a result."""
        return self.result != NOT_MEASURED


def read_head(path: Path) -> Head:
    """Read the head of a recipe; a ValueError that says what is missing in it."""
    lines = path.read_text().partition("\nseed")[0].splitlines()
    text = [line.removeprefix("#").strip() for line in lines]
    paper = first_paper(" ".join(text))
    if paper is None:
        raise ValueError(f"{path.name}: its head names no paper")
    found = dict.fromkeys(KEYS, "")
    for index, line in enumerate(text):
        key, colon, value = line.partition(":")
        if not colon or key not in KEYS:
            continue
        going_on = [value.strip()]
        for more in lines[index + 1 :]:  # continued by lines that are indented by three blanks or more
            if not more.startswith("#   "):
                break
            going_on.append(more.removeprefix("#").strip())
        found[key] = " ".join(going_on)
    for key in ("system", "result"):
        if not found[key]:
            raise ValueError(f"{path.name}: its head has no line '# {key}: ...'")
    head = Head(path, paper=paper, **found)
    if head.measured and not head.command:
        raise ValueError(f"{path.name}: its head gives a result, and no line '# command: ...' that led to it")
    if head.grid and not (ROOT / head.grid).is_file():
        raise ValueError(f"{path.name}: its head names the grid {head.grid}, which does not exist")
    return head


def recipe_table(heads: Sequence[Head]) -> Iterator[str]:
    """Yield the lines of the table in recipes/README.md, by year and system."""
    yield "| system | paper | recipe | measured |"
    yield "|---|---|---|---|"
    for head in sorted(heads, key=lambda head: (head.paper.year, head.system, not head.measured, head.path.name)):
        cited = head.paper.citation or head.paper.number
        paper = f"[{cited}]({head.paper.link})" if head.paper.link else cited
        grid = f" ([grid](../{head.grid}))" if head.grid else ""
        recipe = f"[`{head.path.stem}`]({head.path.name})"
        yield f"| {head.system} | {paper} | {recipe} | {head.result}{grid} |"
