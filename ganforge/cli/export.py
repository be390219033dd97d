"""`ganforge export`: one player's weights as a file of their own."""

from __future__ import annotations

from pathlib import Path

import click

from ganforge.cli import options
from ganforge.cli.messages import say


@click.command("export")
@options.run_folder
@click.option("--player", default="generator", show_default=True, help="Whose weights.")
@options.checkpoint
@options.live
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="NAME.safetensors [default: PLAYER.safetensors in RUN]."
)
@options.force
def command(run: Path, player: str, checkpoint: str | None, live: bool, output: Path | None, force: bool) -> None:
    """Write the weights of a player of RUN, the folder of a run, to a safetensors file.

    Its metadata say which run, recipe and network they are of. A recipe begins with them by
    `start = { weights = "NAME.safetensors" }` in the player's table.

    \b
    Examples:
      ganforge export runs/stylegan2_faces
      ganforge export runs/stylegan2_faces --player discriminator --output d.safetensors
    """
    from ganforge.runs.export import export_weights

    place, weights = export_weights(run, player, output, checkpoint=checkpoint, live=live, force=force)
    for text in (*weights.notices, f"{len(weights.tensors)} tensors of {weights.origin}"):
        say(text)
    click.echo(place)
