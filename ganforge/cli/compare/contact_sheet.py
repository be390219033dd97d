"""The newest grids of several runs in one picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from ganforge.decoding.image import BadFile, picture
from ganforge.errors import GanforgeError
from ganforge.runs.comparison import short_names
from ganforge.runs.run import Run
from ganforge.storage.layout import images_of

CELL = 512  # pixels of a grid's longer side, at most
ACROSS = 4  # grids beside each other
LINE = 18  # pixels of a line of text
GAP = 12
TEXT = 14


def write(runs: Sequence[Run], out: Path) -> None:
    """Write the grids side by side, each below the name of its run and the images that were shown.

    Raises:
        GanforgeError: no run has a grid, or the file cannot be written.
    """
    grids = [(run, name) for run, name in zip(runs, short_names(runs), strict=True) if run.grid is not None]
    if not grids:
        raise GanforgeError(f"--out {out}: none of these runs has drawn a grid yet")
    cells = [_cell(run, name) for run, name in grids]
    rows = [cells[start : start + ACROSS] for start in range(0, len(cells), ACROSS)]
    wide = max(cell.width for cell in cells)
    sheet = Image.new(
        "RGB",
        (
            GAP + (wide + GAP) * max(len(row) for row in rows),
            GAP + sum(max(cell.height for cell in row) + GAP for row in rows),
        ),
        "white",
    )
    top = GAP
    for row in rows:
        for column, cell in enumerate(row):
            sheet.paste(cell, (GAP + column * (wide + GAP), top))
        top += max(cell.height for cell in row) + GAP
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        sheet.save(out)
    except OSError as error:
        raise GanforgeError(f"{out} cannot be written: {error.strerror or error}") from error


def _cell(run: Run, name: str) -> Image.Image:
    """Return a grid, enlarged by a whole factor or reduced to fit, below its title."""
    assert run.grid is not None
    try:
        grid = picture(run.grid.read_bytes())
    except (OSError, BadFile) as error:
        raise GanforgeError(f"{run.grid} cannot be read: {error}") from error
    longest = max(grid.size)
    if longest > CELL:
        size = (max(1, grid.width * CELL // longest), max(1, grid.height * CELL // longest))
        grid = grid.resize(size, Image.Resampling.LANCZOS)
    else:
        factor = CELL // longest
        grid = grid.resize((grid.width * factor, grid.height * factor), Image.Resampling.NEAREST)
    shown = images_of(run.grid)
    cell = Image.new("RGB", (CELL, grid.height + 2 * LINE), "white")
    draw, font = ImageDraw.Draw(cell), ImageFont.load_default(size=TEXT)
    draw.text((0, 0), name, fill="black", font=font)
    draw.text((0, LINE), f"{run.status}, {shown:,} images shown", fill="grey", font=font)
    cell.paste(grid, (0, 2 * LINE))
    return cell
