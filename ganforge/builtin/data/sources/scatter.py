"""Scatter plots of points, drawn with Pillow alone."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from ganforge.api import WIDTH

BACKGROUND, MODE_COLOUR, POINT_COLOUR, OUTSIDE_COLOUR = (255, 255, 255), (150, 150, 150), (31, 95, 191), (214, 64, 48)


def scatter(samples: Tensor, modes: np.ndarray, std: float) -> Image.Image:
    """Return points as dots on the modes as rings of three standard deviations; both axes have one scale.

    The view depends on the modes alone, so that pictures of one run can be compared. Points beyond it are drawn on its
    edge in red; those that are not finite are left out.

    Args:
        samples: [N, 2] in data units.
        modes: [M, 2], centres in data units.
        std: of every mode.
    """
    extent = 1.25 * (float(np.abs(modes).max()) + 3 * std)
    fine = 2 * WIDTH  # drawn twice as large, then reduced: smooth edges
    sheet = Image.new("RGB", (fine, fine), BACKGROUND)
    draw = ImageDraw.Draw(sheet)
    for x, y in _to_sheet(modes, extent, fine):
        draw.ellipse(_box(x, y, max(3 * std / extent * fine / 2, 6.0)), outline=MODE_COLOUR, width=3)
    points = samples.detach().cpu().double()
    points = points[torch.isfinite(points).all(dim=1)]
    inside = (points.abs() <= extent).all(dim=1).tolist()
    for (x, y), seen in zip(_to_sheet(points.clamp(-extent, extent).numpy(), extent, fine), inside, strict=True):
        draw.ellipse(_box(x, y, 3.0), fill=POINT_COLOUR if seen else OUTSIDE_COLOUR)
    return sheet.reduce(2)


def _to_sheet(points: np.ndarray, extent: float, pixels: int) -> list[tuple[float, float]]:
    """Return where points in [-extent, extent] lie on a sheet, y upwards."""
    unit = (points / extent * [1, -1] + 1) / 2
    return [(float(x), float(y)) for x, y in unit * (pixels - 1)]


def _box(x: float, y: float, radius: float) -> tuple[float, float, float, float]:
    return x - radius, y - radius, x + radius, y + radius
