"""Errors as a terminal shows them: arguments by their flags, remedies as lines to paste."""

from __future__ import annotations

import shlex

import click

from ganforge.errors import GanforgeError, MemoryShortageError

FLAGS = {"folder": "--out", "leave_out": "--no-plugin", "metrics": "--metric", "override": "--set"}  # of other names


def flag(name: str, value: str | None = None) -> str:
    """Return an argument of the Python API as the command line takes it, such as `--device cuda`."""
    spelled = FLAGS.get(name, f"--{name.replace('_', '-')}")
    return spelled if value is None else f"{spelled} {value}"


def error_text(error: GanforgeError) -> str:
    """Return what a person in a terminal reads of an error: its text, what to try, and its notes."""
    lines = [error.spelled(flag)]
    for override, why in error.remedies:
        lines.append(f"  try {flag('override', shlex.quote(override))}{f'   # {why}' if why else ''}")
    if isinstance(error, MemoryShortageError) and error.checkpoint is not None:
        first = [flag("override", shlex.quote(remedy.override)) for remedy in error.remedies[:1]]
        words = ["ganforge", "run", shlex.quote(str(error.checkpoint.parents[1])), flag("resume"), *first]
        lines.append(f"to go on from {error.checkpoint.name}: {' '.join(words)}")
    return "\n".join([*lines, *getattr(error, "__notes__", ())])


def show_error(text: str) -> None:
    """Print the text of an error to stderr, without secrets."""
    from ganforge.tracking.redaction import redact  # an error may repeat an address with its password

    click.echo(f"{click.style('error', fg='red', bold=True)}: {redact(text)}", err=True)
