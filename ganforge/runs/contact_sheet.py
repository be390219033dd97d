"""Contact sheet: the newest grids of several runs in one picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont, ImageOps

from ganforge.api.pictures import read_picture
from ganforge.errors import GanforgeError, RecipeError
from ganforge.runs.run_groups import short_names
from ganforge.runs.summary import RunSummary
from ganforge.storage.layout import images_of

CELL = 512  # pixels of a grid's longer side, at most
COLUMNS = 4  # grids beside each other
LINE_HEIGHT = 18  # pixels of a line of text
GAP = 12
FONT_SIZE = 14


def write_contact_sheet(runs: Sequence[RunSummary], out: Path) -> None:
    """Write the grids side by side, each below the name of its run and the images that were shown.

    Raises:
        GanforgeError: no run has a grid, or the file cannot be written.
        RecipeError: the file is no PNG.
    """
    if out.suffix.lower() != ".png":
        raise RecipeError(f"{out}: the grids are written as a PNG; expected a name that ends in .png")
    grids = [(run, name) for run, name in zip(runs, short_names(runs), strict=True) if run.grid is not None]
    if not grids:
        raise GanforgeError(f"{out} is not written: none of these runs has drawn a grid yet")
    cells = [_cell(run, name) for run, name in grids]
    rows = [cells[start : start + COLUMNS] for start in range(0, len(cells), COLUMNS)]
    heights = [max(cell.height for cell in row) + GAP for row in rows]
    sheet = Image.new("RGB", (GAP + (CELL + GAP) * len(rows[0]), GAP + sum(heights)), "white")
    for number, row in enumerate(rows):
        for column, cell in enumerate(row):
            sheet.paste(cell, (GAP + column * (CELL + GAP), GAP + sum(heights[:number])))
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        sheet.save(out)
    except OSError as error:
        raise GanforgeError(f"{out} cannot be written: {error.strerror or error}") from error


def _cell(run: RunSummary, name: str) -> Image.Image:
    """Return a grid, enlarged by a whole factor or reduced to fit, below its title."""
    assert run.grid is not None
    grid = read_picture(run.grid)
    if max(grid.size) > CELL:
        grid = ImageOps.contain(grid, (CELL, CELL), Image.Resampling.LANCZOS)
    else:
        grid = ImageOps.scale(grid, CELL // max(grid.size), Image.Resampling.NEAREST)
    cell = Image.new("RGB", (CELL, grid.height + 2 * LINE_HEIGHT), "white")
    draw, font = ImageDraw.Draw(cell), ImageFont.load_default(size=FONT_SIZE)
    draw.text((0, 0), name, fill="black", font=font)
    draw.text((0, LINE_HEIGHT), f"{run.status}, {images_of(run.grid):,} images shown", fill="grey", font=font)
    cell.paste(grid, (0, 2 * LINE_HEIGHT))
    return cell
