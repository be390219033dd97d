"""Pictures moved by resampling, as well as pixels allow: what generators that move their pictures are held against."""

from __future__ import annotations

import math

import torch
from torch import Tensor

LANCZOS_RADIUS = 3  # pixels that a Lanczos window reaches to each side


def translate_image(images: Tensor, shift: Tensor) -> tuple[Tensor, Tensor]:
    """Return images moved by any number of pixels with a Lanczos-windowed sinc (arXiv:2106.12423, app. E).

    Args:
        images: [B, C, R, R] float64.
        shift: [B, 2] pixels to the right and down.

    Returns:
        The moved images, and where all that they were made of was inside, [B, 1, R, R] bool.
    """
    across, seen_across = _along(images.shape[3], shift[:, 0])
    down, seen_down = _along(images.shape[2], shift[:, 1])
    moved = torch.einsum("byh,bchw,bxw->bcyx", down, images, across)
    return moved, (seen_down[:, :, None] & seen_across[:, None, :])[:, None]


def _along(size: int, shift: Tensor) -> tuple[Tensor, Tensor]:
    """Return, for one axis, weights [B, size, size] from old to new pixels, and which [B, size] lack nothing."""
    axis = torch.arange(size, dtype=torch.float64, device=shift.device)
    source = axis - shift.double()[:, None]  # [B, new]
    offset = source[:, :, None] - axis
    weights = torch.sinc(offset) * lanczos_window(offset)
    exact = (source - source.round()).abs() < 1e-9
    reach = torch.where(exact, 0.0, LANCZOS_RADIUS - 1.0)
    seen = (source.floor() - reach >= -1e-9) & (source.ceil() + reach <= size - 1 + 1e-9)
    return weights / weights.sum(2, keepdim=True).where(seen[:, :, None], 1.0), seen


def lanczos_window(offset: Tensor) -> Tensor:
    """Return the Lanczos window of an offset in pixels: sinc(x / 3) for |x| < 3, else 0."""
    return torch.where(offset.abs() < LANCZOS_RADIUS, torch.sinc(offset / LANCZOS_RADIUS), 0.0)


def octagon_filter(offset: Tensor, angle: Tensor) -> Tensor:
    """Return the ideal filter of all frequencies that pixels can hold both before and after a rotation.

    Its spectrum is 1 on the square of side 1 that a grid of pixels can hold, as far as the same square turned by -angle
    holds it too: an octagon around the circle of radius 1/2. The inverse Fourier transform of a polygon is a sum over
    its edges (by Gauss's theorem), opposite edges together:

        h(u) = sum over 4 pairs of edges of (n.u) L sinc(L t.u) sin(2 pi m.u) / (pi |u|^2)

    with normal n, tangent t, middle m and the length L that all edges share.

    Args:
        offset: u [B, ..., 2] in pixels.
        angle: [B] in radians.
    """
    quarter = math.pi / 2
    ahead = torch.remainder(-angle, quarter)  # from an edge of the one square on to the next of the other
    length = (torch.tan(ahead / 2) + torch.tan((quarter - ahead) / 2)) / 2
    lean = (torch.tan(ahead / 2) - torch.tan((quarter - ahead) / 2)) / 4  # of an edge's middle from where it touches
    shape = (-1, *[1] * (offset.dim() - 2))
    total = torch.zeros_like(offset[..., 0])
    for turn, side in ((torch.zeros_like(angle), lean), (-angle, -lean)):
        for direction in (turn, turn + quarter):
            cos, sin = direction.cos().view(shape), direction.sin().view(shape)
            normal = cos * offset[..., 0] + sin * offset[..., 1]
            tangent = cos * offset[..., 1] - sin * offset[..., 0]
            middle = normal / 2 + side.view(shape) * tangent
            total += normal * torch.sinc(length.view(shape) * tangent) * torch.sin(2 * math.pi * middle)
    squared = offset.square().sum(-1)
    near = squared < 1e-12
    filter_ = length.view(shape) * total / (math.pi * squared.where(~near, 1.0))
    return torch.where(near, 2 * length.view(shape), filter_)


def rotate_image(images: Tensor, angle: Tensor) -> tuple[Tensor, Tensor]:
    """Return images turned around their centre without what a grid of pixels cannot hold (arXiv:2106.12423, app. E).

    Args:
        images: [B, C, R, R] float64.
        angle: [B] in radians, from x (to the right) to y (down).

    Returns:
        The turned images, and where all that they were made of was inside, [B, 1, R, R] bool.
    """
    return _resample(images, angle, angle)


def limit_band(images: Tensor, angle: Tensor) -> tuple[Tensor, Tensor]:
    """Return images as they are, but for frequencies that `rotate_image` would have lost in turning them to here.

    Of a picture that was turned exactly, this is what `rotate_image` makes of the unturned one (the pseudo-rotation of
    arXiv:2106.12423, app. E).
    """
    return _resample(images, torch.zeros_like(angle), -angle)


def _resample(images: Tensor, turn: Tensor, angle: Tensor) -> tuple[Tensor, Tensor]:
    """Turn images by `turn`, with the filter that is made for `angle`."""
    batch, channels, size, _ = images.shape
    axis = torch.arange(size, dtype=torch.float64, device=images.device) - (size - 1) / 2
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    place = (
        rotate_vectors(torch.stack([x, y], 2).reshape(1, -1, 2), -turn) + (size - 1) / 2
    )  # [B, R * R, 2], where it was
    first = place.floor().long() - (LANCZOS_RADIUS - 1)
    step = torch.arange(2 * LANCZOS_RADIUS, device=images.device)
    taps = first[:, :, None] + torch.cartesian_prod(step, step)  # [B, R * R, 36, 2]
    offset = place[:, :, None] - taps
    other = rotate_vectors(offset, angle)
    weights = octagon_filter(offset, angle) * lanczos_window(offset).prod(-1) * lanczos_window(other).prod(-1)
    inside = ((taps >= 0) & (taps < size)).all(-1) | (weights.abs() < 1e-12)
    seen = inside.all(-1)  # [B, R * R]
    index = (taps.clamp(0, size - 1) * torch.tensor([1, size], device=images.device)).sum(-1)
    pixels = images.flatten(2).gather(2, index.view(batch, 1, -1).expand(-1, channels, -1))
    result = (pixels.view(batch, channels, size * size, -1) * weights[:, None]).sum(-1) / weights.sum(-1)[:, None]
    return result.view(batch, channels, size, size), seen.view(batch, 1, size, size)


def rotate_vectors(vectors: Tensor, angle: Tensor) -> Tensor:
    """Return vectors [B or 1, ..., 2] turned by angles [B]."""
    shape = (-1, *[1] * (vectors.dim() - 2))
    cos, sin = angle.cos().view(shape), angle.sin().view(shape)
    x, y = vectors[..., 0], vectors[..., 1]
    return torch.stack([cos * x - sin * y, sin * x + cos * y], -1)
