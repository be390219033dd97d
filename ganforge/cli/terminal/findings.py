"""Findings of monitors, as a person reads them: symptom, evidence, cause, and what to try, ready to be pasted."""

from __future__ import annotations

import shlex
import shutil
from typing import TYPE_CHECKING

import click

from ganforge.cli.terminal.formats import wrapped

if TYPE_CHECKING:
    from ganforge.api.monitor import Finding

LABEL_WIDTH = 10  # columns of "evidence"


def format_finding(images: int, finding: Finding, width: int | None = None, note: str = "") -> str:
    """Return the lines about a finding, coloured.

    Args:
        images: shown when it was seen first.
        finding: what to tell.
        width: columns; None = those of the terminal, at most 100. What is to be pasted is never broken.
        note: more for the headline, such as whether it still holds.
    """
    columns = max(min(width or shutil.get_terminal_size().columns, 100), 35)
    colour = "red" if finding.severity == "failure" else "yellow"
    when = f"after {images:,} images" if images else "before the first round"
    head = f"  {click.style('!', fg=colour, bold=True)} {click.style(finding.name, fg=colour, bold=True)}"
    lines = ["", f"{head}  {click.style(f'{when}{note}', dim=True)}"]
    for label, text in (("symptom", finding.symptom), ("evidence", finding.evidence), ("cause", finding.cause)):
        paragraph = wrapped(text, columns - LABEL_WIDTH - 5)
        lines += [_labelled("" if index else label, part) for index, part in enumerate(paragraph)]
    for index, remedy in enumerate(finding.remedies):
        lines.append(_labelled("" if index else "try", click.style(f"--set {shlex.quote(remedy)}", bold=True)))
    return "\n".join([*lines, ""])


def _labelled(label: str, text: str) -> str:
    return f"    {click.style(label.ljust(LABEL_WIDTH), dim=True)}{text}"
