"""Console: narration on stderr."""

from __future__ import annotations

import click

from ganforge.tracking.redaction import redact


def say(text: str) -> None:
    """Tell a person something, on stderr."""
    click.echo(redact(text), err=True)
