"""Affine warps of images, differentiable as often as one likes."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import affine_grid, grid_sample

_BILINEAR, _REFLECTION = 0, 2  # as ATen numbers them

# The scaling filter of the symlet with six vanishing moments (Daubechies 1992, Ten Lectures on Wavelets, table 8.3).
SYM6 = (
    0.015404109327027373,
    0.0034907120842174702,
    -0.11799011114819057,
    -0.048311742585633,
    0.4910559419267466,
    0.787641141030194,
    0.3379294217276218,
    -0.07263752278646252,
    -0.021060292512300564,
    0.04472490177066578,
    0.0017677118642428036,
    -0.007800708325034148,
)
_TAPS_BEFORE = 5  # pixel n of an image spreads over the pixels 2n - 5 .. 2n + 6 of the image of twice the resolution


class AffineWarp(nn.Module):
    """Shows images through affine maps; what lies outside an image is its reflection at the border.

    With `antialias` images are sampled at twice the resolution, to and from which an orthogonal wavelet leads (Karras
    et al. 2020, arXiv:2006.06676, app. B): maps by whole pixels lose nothing, others alias little. The filters are
    matrices, which are faster than convolutions of so few channels.

    Args:
        resolution: R of the images.
        antialias: whether to filter.
    """

    up: Tensor
    down: Tensor

    def __init__(self, resolution: int, antialias: bool) -> None:
        super().__init__()
        self.resolution, self.antialias = resolution, antialias
        if antialias:
            self.register_buffer("up", _upsampling_matrix(resolution).float(), persistent=False)
            self.register_buffer("down", _downsampling_matrix(resolution).float(), persistent=False)

    def forward(self, images: Tensor, linear: Tensor, offset: Tensor) -> Tensor:
        """Return the images as seen.

        Args:
            images: [B, C, R, R].
            linear: [B, 2, 2]; from places (x, y) in the result to places in the image, both seen from the centre.
            offset: [B, 2], in pixels: where in the image the centre of the result lies.

        Returns:
            [B, C, R, R].
        """
        linear, offset = linear.to(images.dtype), offset.to(images.dtype) * (2 / self.resolution)  # R pixels = -1 .. 1
        if not self.antialias:
            return _grid_sample(images, linear, offset, self.resolution)
        up, down = self.up.to(images.dtype), self.down.to(images.dtype)
        size = down.shape[1]
        seen = _grid_sample(up @ images @ up.mT, linear * (size / len(up)), offset, size)
        return down @ seen @ down.mT


def _upsampling_matrix(resolution: int) -> Tensor:
    """Return [2R, R]: pixels to pixels of half the size, reflected beyond the border for as far as the filter sees."""
    matrix = torch.zeros(2 * resolution, resolution, dtype=torch.float64)
    margin = (len(SYM6) // 2 + 1) // 2
    for place in range(-margin, resolution + margin):
        source = place % (2 * resolution)
        for fine, tap in enumerate(SYM6, 2 * place - _TAPS_BEFORE):
            if 0 <= fine < 2 * resolution:
                matrix[fine, min(source, 2 * resolution - 1 - source)] += tap * 2**0.5
    return matrix


def _downsampling_matrix(resolution: int) -> Tensor:
    """Return [R, 2R + 10]: pixels to pixels of twice the size; 5 on either side lie beyond the border."""
    matrix = torch.zeros(resolution, 2 * resolution + len(SYM6) - 2, dtype=torch.float64)
    for place in range(resolution):
        matrix[place, 2 * place : 2 * place + len(SYM6)] = torch.tensor(SYM6, dtype=torch.float64) / 2**0.5
    return matrix


def _grid_sample(images: Tensor, linear: Tensor, offset: Tensor, size: int) -> Tensor:
    theta = torch.cat([linear, offset[:, :, None]], 2)
    grid = affine_grid(theta, [len(images), 1, size, size], align_corners=False)
    return _GridSample.apply(images, grid)  # type: ignore[no-any-return]


class _GridSample(torch.autograd.Function):
    """Bilinear sampling with reflection: linear in the images, by which alone it is differentiated.

    PyTorch's own has no second derivative, which penalties on the gradient of augmented images need.
    """

    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, images: Tensor, grid: Tensor) -> Tensor:
        ctx.save_for_backward(grid)
        ctx.shape = images.shape  # type: ignore[attr-defined]
        return grid_sample(images, grid, "bilinear", "reflection", align_corners=False)

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, *gradients: Tensor) -> tuple[Tensor, None]:
        (grid,) = ctx.saved_tensors  # type: ignore[attr-defined]
        return _GridSampleTransposed.apply(gradients[0], grid, ctx.shape), None  # type: ignore[attr-defined]


class _GridSampleTransposed(torch.autograd.Function):
    """The adjoint of `_GridSample`: [B, C, *grid] -> images of the given shape."""

    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, values: Tensor, grid: Tensor, shape: torch.Size) -> Tensor:
        ctx.save_for_backward(grid)
        like = values.new_zeros(()).expand(shape)  # only its shape matters for this gradient
        spread, _ = torch.ops.aten.grid_sampler_2d_backward(
            values, like, grid, _BILINEAR, _REFLECTION, False, [True, False]
        )
        return spread  # type: ignore[no-any-return]

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (grid,) = ctx.saved_tensors  # type: ignore[attr-defined]
        return _GridSample.apply(gradients[0], grid), None, None
