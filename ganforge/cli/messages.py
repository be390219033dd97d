"""Narration and errors on stderr: arguments by their flags, remedies as lines to paste, no secrets."""

from __future__ import annotations

import os
import shlex
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import click

from ganforge.errors import GanforgeError, MemoryShortageError

FLAGS = {"folder": "--out", "leave_out": "--no-plugin", "metrics": "--metric", "override": "--set"}  # of other names


def say(text: str) -> None:
    """Tell a person something, on stderr, without secrets."""
    from ganforge.tracking.redaction import redact  # an error may repeat an address with its password

    click.echo(redact(text), err=True)


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


def show_error(error: GanforgeError, context: str = "") -> None:
    """Print an error to stderr, after a word of what it is about."""
    say(f"{click.style('error', fg='red', bold=True)}: {context}{error_text(error)}")


@contextmanager
def errors_told_once() -> Iterator[None]:
    """Tell here what goes wrong inside, unless another process told it already, and leave with the exit code.

    One process alone needs none of this.

    Raises:
        click.exceptions.Exit: in place of whatever was raised and is told now.
    """
    try:
        yield
    except (click.exceptions.Exit, click.ClickException, click.exceptions.Abort):
        raise
    except Exception as error:
        if os.environ.get("WORLD_SIZE", "1") == "1":
            raise
        from ganforge.distributed.error_reports import report_once

        raise click.exceptions.Exit(report_once(error, _tell)) from error


def _tell(error: Exception) -> None:
    if isinstance(error, GanforgeError):
        show_error(error)
    else:
        traceback.print_exception(error)
