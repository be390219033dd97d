"""`ganforge compare`: runs side by side."""

from __future__ import annotations

import json
from pathlib import Path

import click


@click.command("compare")
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RUN...")
@click.option("-o", "--out", type=click.Path(path_type=Path), help="FILE.png: write the newest grids side by side.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with whole receipts.")
@click.option("--no-plugin", "leave_out", multiple=True, metavar="NAME", help="Leave a plugin out.")
def command(runs: tuple[Path, ...], out: Path | None, as_json: bool, leave_out: tuple[str, ...]) -> None:
    """Line up runs, each by its folder: what differs in their recipes, metrics, speed, findings and grids.

    Runs that differ by their seed alone are taken together: mean and standard deviation of their metrics. A value that
    came about in another way than the others of its line is marked.

    \b
    Examples:
      ganforge compare runs/stylegan2_faces runs/stylegan2_faces-2
      ganforge compare runs/dcgan-seed* runs/wgan-seed* --out grids.png
    """
    from ganforge.cli.compare.contact_sheet import write
    from ganforge.cli.compare.report import lines
    from ganforge.cli.compare.report_json import content
    from ganforge.errors import RecipeError
    from ganforge.plugins.loading import load_catalogue
    from ganforge.runs.run import read_run

    if out is not None and out.suffix.lower() != ".png":
        raise RecipeError(f"--out {out}: the grids are written as a PNG; expected a name that ends in .png")
    twice = [
        str(run) for number, run in enumerate(runs) if run.resolve() in [other.resolve() for other in runs[:number]]
    ]
    if twice:
        raise RecipeError(f"{', '.join(twice)} is named twice; name each run once")
    catalogue = load_catalogue(leave_out)
    found = [read_run(run, catalogue) for run in runs]
    if out is not None:
        write(found, out)
        click.echo(f"wrote {out}", err=True)
    click.echo(json.dumps(content(found), indent=2, ensure_ascii=False) if as_json else "\n".join(lines(found)))
