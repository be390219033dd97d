"""What monitors found, as a person reads it: symptom, evidence, likely cause, and what to try, ready to be pasted."""

from __future__ import annotations

import shlex
import shutil
import textwrap
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from ganforge.api.monitor import Finding

LABEL = 10  # columns of "evidence"


def block(images: int, finding: Finding, width: int | None = None, note: str = "") -> str:
    """Return a block of lines about a finding, coloured.

    Args:
        images: shown when it was seen first.
        finding: what to tell.
        width: columns; None = those of the terminal, at most 100. What is to be pasted is never broken.
        note: more for the headline, such as whether it still holds.
    """
    columns = min(width or shutil.get_terminal_size().columns, 100)
    colour = "red" if finding.severity == "failure" else "yellow"
    when = f"after {images:,} images" if images else "before the first round"
    head = f"  {click.style('!', fg=colour, bold=True)} {click.style(finding.name, fg=colour, bold=True)}"
    lines = ["", f"{head}  {click.style(f'{when}{note}', dim=True)}"]
    for label, text in (("symptom", finding.symptom), ("evidence", finding.evidence), ("cause", finding.cause)):
        lines += _paragraph(label, text, columns)
    for index, remedy in enumerate(finding.remedies):
        label = click.style(("" if index else "try").ljust(LABEL), dim=True)
        lines.append(f"    {label}{click.style(f'--set {shlex.quote(remedy)}', bold=True)}")
    return "\n".join([*lines, ""])


def _paragraph(label: str, text: str, columns: int) -> list[str]:
    wrapped = textwrap.wrap(text, max(columns - LABEL - 5, 20), break_long_words=False, break_on_hyphens=False)
    labels = [label, *[""] * len(wrapped)]
    return [
        f"    {click.style(before.ljust(LABEL), dim=True)}{line}" for before, line in zip(labels, wrapped, strict=False)
    ]
