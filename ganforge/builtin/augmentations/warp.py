"""Moving the pixels of images along affine maps, differentiable as often as one likes."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, conv2d, conv_transpose2d, grid_sample

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
_BEFORE = 5  # pixel n of an image spreads over the pixels 2n - 5 .. 2n + 6 of the image of twice the resolution


def warp(images: Tensor, linear: Tensor, offset: Tensor, antialias: bool) -> Tensor:
    """Return images seen through an affine map; what lies outside is their reflection at the border.

    With `antialias` images are sampled at twice the resolution, to and from which an orthogonal wavelet leads (Karras
    et al. 2020, arXiv:2006.06676, app. B): maps by whole pixels lose nothing, others alias little.

    Args:
        images: [B, C, R, R].
        linear: [B, 2, 2]; from places (x, y) in the result to places in the image, both seen from the centre.
        offset: [B, 2], in pixels: where in the image the centre of the result lies.
        antialias: whether to filter.

    Returns:
        [B, C, R, R].
    """
    rows, _, resolution, _ = images.shape
    offset = offset * (2 / resolution)  # affine_grid and grid_sample measure from -1 to 1
    if not antialias:
        theta = torch.cat([linear, offset[:, :, None]], 2)
        grid = affine_grid(theta, [rows, 1, resolution, resolution], align_corners=False)
        return _Sample.apply(images, grid)  # type: ignore[no-any-return]
    size = 2 * resolution + len(SYM6) - 2
    theta = torch.cat([linear * (size / (2 * resolution)), offset[:, :, None]], 2)
    grid = affine_grid(theta, [rows, 1, size, size], align_corners=False)
    return halve(_Sample.apply(double(images), grid))


def double(images: Tensor) -> Tensor:
    """Return images [B, C, R, R] at twice the resolution, reflected beyond the border for as far as the filter sees."""
    rows, channels, resolution, _ = images.shape
    margin = (len(SYM6) // 2 + 1) // 2
    places = torch.arange(-margin, resolution + margin, device=images.device) % (2 * resolution)
    places = torch.minimum(places, 2 * resolution - 1 - places)
    planes = images[:, :, places][:, :, :, places].flatten(0, 1)[:, None]
    crop = 2 * margin + _BEFORE
    taps = planes.new_tensor(SYM6) * 2**0.5
    planes = conv_transpose2d(planes, taps.view(1, 1, -1, 1), stride=(2, 1), padding=(crop, 0))
    planes = conv_transpose2d(planes, taps.view(1, 1, 1, -1), stride=(1, 2), padding=(0, crop))
    return planes.view(rows, channels, 2 * resolution, 2 * resolution)


def halve(images: Tensor) -> Tensor:
    """Return images [B, C, 2R + 10, 2R + 10] at half the resolution, [B, C, R, R]: 5 pixels per side are used up."""
    planes = images.flatten(0, 1)[:, None]
    taps = planes.new_tensor(SYM6) / 2**0.5
    planes = conv2d(planes, taps.view(1, 1, -1, 1), stride=(2, 1))
    planes = conv2d(planes, taps.view(1, 1, 1, -1), stride=(1, 2))
    return planes.view(*images.shape[:2], *planes.shape[2:])


class _Sample(torch.autograd.Function):
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
        return _Spread.apply(gradients[0], grid, ctx.shape), None  # type: ignore[attr-defined]


class _Spread(torch.autograd.Function):
    """The adjoint of `_Sample`: [B, C, *grid] -> images of the given shape."""

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
        return _Sample.apply(gradients[0], grid), None, None
