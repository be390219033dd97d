"""Residual blocks with the activation before the convolution, which double or halve the resolution."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate, relu

from ganforge.builtin.networks.layers.conditional_norm import ConditionalBatchNorm


def upsample_nearest_2x(images: Tensor) -> Tensor:
    """Map images [B, C, H, W] to [B, C, 2 H, 2 W] by repeating each pixel."""
    return interpolate(images, scale_factor=2.0, mode="nearest")


class GeneratorResidualBlock(nn.Module):
    """A generator's block (Miyato et al. 2018, arXiv:1802.05957, app. B.4; Brock et al. 2019, fig. 15).

    BatchNorm, ReLU, doubling, 3x3, BatchNorm, ReLU, 3x3; beside it doubling and 1x1. The 1x1 convolution is done before
    the doubling, with the same result.

    Args:
        before: channels of the images.
        after: channels of the result.
        condition: numbers in what steers the norms; 0 = nothing does.
        eps: of the norms.
    """

    def __init__(self, before: int, after: int, condition: int = 0, eps: float = 1e-5) -> None:
        super().__init__()
        self.norm1, self.norm2 = (
            ConditionalBatchNorm(before, condition, eps),
            ConditionalBatchNorm(after, condition, eps),
        )
        self.first = nn.Conv2d(before, after, 3, 1, 1)
        self.second = nn.Conv2d(after, after, 3, 1, 1)
        self.shortcut = nn.Conv2d(before, after, 1)

    def forward(self, images: Tensor, condition: Tensor | None = None) -> Tensor:
        """Map images [B, C, H, W] to [B, C', 2 H, 2 W]."""
        hidden = self.first(upsample_nearest_2x(relu(self.norm1(images, condition))))
        hidden = self.second(relu(self.norm2(hidden, condition)))
        return hidden + upsample_nearest_2x(self.shortcut(images))  # type: ignore[no-any-return]


class DiscriminatorResidualBlock(nn.Module):
    """A discriminator's block (Miyato et al. 2018, app. B.4; Brock et al. 2019, fig. 15).

    ReLU, 3x3, ReLU, 3x3, mean of 2x2; beside it 1x1 and mean of 2x2, where the shape changes. The mean is taken before
    the 1x1 convolution, with the same result.

    Args:
        before: channels of the images.
        after: channels of the result.
        down: halve the resolution.
        first: the block is shown images, on which no ReLU may act.
    """

    def __init__(self, before: int, after: int, *, down: bool, first: bool = False) -> None:
        super().__init__()
        self.down, self.starts = down, first
        self.first = nn.Conv2d(before, after, 3, 1, 1)
        self.second = nn.Conv2d(after, after, 3, 1, 1)
        self.shortcut = nn.Conv2d(before, after, 1) if down or before != after else None

    def forward(self, images: Tensor) -> Tensor:
        """Map images [B, C, H, W] to [B, C', H, W], or half of it."""
        hidden = self.second(relu(self.first(images if self.starts else relu(images))))
        beside = images
        if self.down:
            hidden, beside = avg_pool2d(hidden, 2), avg_pool2d(images, 2)
        if self.shortcut is not None:
            beside = self.shortcut(beside)
        return hidden + beside  # type: ignore[no-any-return]
