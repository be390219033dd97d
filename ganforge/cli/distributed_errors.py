"""Errors on a terminal of several processes: each is told once."""

from __future__ import annotations

import os
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import click

from ganforge.cli.messages import error_text, show_error
from ganforge.distributed.error_reports import report_once
from ganforge.errors import GanforgeError


@contextmanager
def errors_told_once() -> Iterator[None]:
    """Tell here what goes wrong inside, unless another process told it already, and leave with the exit code.

    One process alone needs none of this.

    Raises:
        click.exceptions.Exit: in place of whatever was raised and is told now.
    """
    if os.environ.get("WORLD_SIZE", "1") == "1":
        yield
        return
    try:
        yield
    except (click.exceptions.Exit, click.ClickException, click.exceptions.Abort):
        raise
    except Exception as error:
        raise click.exceptions.Exit(report_once(error, _tell)) from error


def _tell(error: Exception) -> None:
    if isinstance(error, GanforgeError):
        show_error(error_text(error))
    else:
        traceback.print_exception(error)
