"""The bottleneck blocks of BigGAN-deep, whose shortcuts drop or add channels and convolve nothing that they keep."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, relu

from ganforge.builtin.networks.layers.conditional_norm import ConditionalBatchNorm
from ganforge.builtin.networks.layers.residual_blocks import upsample_nearest_2x

_EXPANSION = 4  # channels outside the bottleneck for each inside


def _bottleneck_channels(channels: int) -> int:
    return max(channels // _EXPANSION, 1)


class GeneratorBottleneck(nn.Module):
    """A generator's block (Brock et al. 2019, arXiv:1809.11096, app. B, fig. 16b).

    Norm, ReLU and convolution four times: 1x1 to a quarter of the channels, 3x3, 3x3, 1x1. The shortcut keeps the
    first channels. Where the block doubles the resolution it does so before the first 3x3.

    Args:
        before: channels of the images.
        after: channels of the result, at most `before`.
        condition: numbers in what steers the norms; 0 = nothing does.
        up: double the resolution.
        eps: of the norms.
    """

    def __init__(self, before: int, after: int, condition: int, *, up: bool, eps: float = 1e-5) -> None:
        super().__init__()
        assert after <= before, "the shortcut only drops channels"
        inner = _bottleneck_channels(before)
        self.up, self.after = up, after
        self.norms = nn.ModuleList(ConditionalBatchNorm(size, condition, eps) for size in (before, inner, inner, inner))
        self.layers = nn.ModuleList(
            [
                nn.Conv2d(before, inner, 1),
                nn.Conv2d(inner, inner, 3, 1, 1),
                nn.Conv2d(inner, inner, 3, 1, 1),
                nn.Conv2d(inner, after, 1),
            ]
        )

    def forward(self, images: Tensor, condition: Tensor | None = None) -> Tensor:
        """Map images [B, C, H, W] to [B, C', H, W], or twice that."""
        hidden, beside = images, images[:, : self.after]
        for index, (norm, layer) in enumerate(zip(self.norms, self.layers, strict=True)):
            hidden = relu(norm(hidden, condition))
            hidden = layer(upsample_nearest_2x(hidden) if self.up and index == 1 else hidden)
        return hidden + (upsample_nearest_2x(beside) if self.up else beside)


class DiscriminatorBottleneck(nn.Module):
    """A discriminator's block (Brock et al. 2019, arXiv:1809.11096, app. B, fig. 16c).

    ReLU and convolution four times: 1x1 to a quarter of the new channels, 3x3, 3x3, 1x1; the mean of 2x2 comes before
    the last. The shortcut keeps all channels and appends what a 1x1 convolution makes of them, where more are wanted.

    Args:
        before: channels of the images.
        after: channels of the result, at least `before`.
        down: halve the resolution.
    """

    def __init__(self, before: int, after: int, *, down: bool) -> None:
        super().__init__()
        assert after >= before, "the shortcut only adds channels"
        inner = _bottleneck_channels(after)
        self.down = down
        self.layers = nn.Sequential(
            nn.ReLU(),
            nn.Conv2d(before, inner, 1),
            nn.ReLU(),
            nn.Conv2d(inner, inner, 3, 1, 1),
            nn.ReLU(),
            nn.Conv2d(inner, inner, 3, 1, 1),
            nn.ReLU(),
        )
        self.last = nn.Conv2d(inner, after, 1)
        self.added = nn.Conv2d(before, after - before, 1) if after > before else None

    def forward(self, images: Tensor) -> Tensor:
        """Map images [B, C, H, W] to [B, C', H, W], or half of it."""
        hidden, beside = self.layers(images), images
        if self.down:
            hidden, beside = avg_pool2d(hidden, 2), avg_pool2d(images, 2)
        if self.added is not None:
            beside = torch.cat([beside, self.added(beside)], 1)
        return self.last(hidden) + beside  # type: ignore[no-any-return]
