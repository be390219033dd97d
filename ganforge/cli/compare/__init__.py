"""`ganforge compare`: runs side by side."""

from __future__ import annotations

import json
from pathlib import Path

import click

from ganforge.cli import options


@click.command("compare")
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RUN...")
@click.option("-o", "--out", type=click.Path(path_type=Path), help="FILE.png: write the newest grids side by side.")
@options.as_json
@options.leave_out
def command(runs: tuple[Path, ...], out: Path | None, as_json: bool, leave_out: tuple[str, ...]) -> None:
    """Line up runs, each by its folder: what differs in their recipes, metrics, speed, findings and grids.

    Runs that differ by their seed alone are taken together: mean and standard deviation of their metrics. A value that
    came about in another way than the others of its line is marked.

    \b
    Examples:
      ganforge compare runs/stylegan2_faces runs/stylegan2_faces-2
      ganforge compare runs/dcgan-seed* runs/wgan-seed* --out grids.png
    """
    from ganforge.cli.compare.report import comparison_lines
    from ganforge.cli.terminal.tables import terminal_width
    from ganforge.plugins.loading import load_catalogue
    from ganforge.runs.comparison import compare
    from ganforge.runs.contact_sheet import write_contact_sheet
    from ganforge.runs.summary import summarise_run

    catalogue = load_catalogue(leave_out)
    comparison = compare([summarise_run(run, catalogue) for run in runs])
    if out is not None:
        write_contact_sheet(comparison.runs, out)
        click.echo(f"wrote {out}", err=True)
    if as_json:
        click.echo(json.dumps(comparison.to_json(), indent=2, ensure_ascii=False))
    else:
        click.echo("\n".join(comparison_lines(comparison, terminal_width())))
