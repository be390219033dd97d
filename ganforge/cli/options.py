"""Options that several commands have, each defined once."""

from __future__ import annotations

from pathlib import Path

import click

run_folder = click.argument("run", type=click.Path(path_type=Path))
recipe_path = click.argument("recipe", type=click.Path(path_type=Path))
overrides = click.option(
    "--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override an entry of the recipe; none: leave out."
)
checkpoint = click.option("--checkpoint", metavar="IMAGES|best|PATH", help="Which checkpoint [default: the newest].")
live = click.option("--live", is_flag=True, help="The weights as trained, without their average.")
force = click.option("--force", is_flag=True, help="Replace what --output has.")
device = click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True)
processes = click.option("--processes", type=click.IntRange(min=1),
                         help="Processes to start here, or how many a launcher was to start [default: 1].")  # fmt: skip
family = click.option("--family", metavar="FAMILY", help="Only the components of this family, such as losses.")
as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
leave_out = click.option("--no-plugin", "leave_out", multiple=True, metavar="NAME",
                         help="Leave out a plugin or distribution; may be repeated.")  # fmt: skip
