"""The console: what a command says to stderr."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ganforge.tracking.redaction import redact

if TYPE_CHECKING:
    pass


def say(text: str) -> None:
    """Tell a person something, on stderr."""
    click.echo(redact(text), err=True)
