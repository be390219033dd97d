"""Random projections of a feature pyramid, across channels and across scales."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from ganforge_projected.frozen import random_conv


class FeatureMixing(nn.Module):
    """Cross-channel and cross-scale mixing (Sauer et al. 2021, arXiv:2111.01007, sec. 3.2), drawn once and frozen.

    Across channels: a random 1x1 convolution of each scale. Across scales, from the coarsest to the finest: a residual
    random 3x3 convolution, a 1x1 convolution to the channels of the next finer scale, and bilinear doubling; to that
    the next finer scale is added. The 1x1 convolution comes before the doubling, with which it commutes.

    Args:
        inputs: channels of the features, from the finest to the coarsest scale.
        width: channels of the finest mixed scale.
    """

    def __init__(self, inputs: Sequence[int], width: int) -> None:
        super().__init__()
        mixed = [width * 2**index for index in range(len(inputs))]
        self.outputs = [width, *mixed[:-1]]
        self.channels = nn.ModuleList(
            random_conv(before, after, 1) for before, after in zip(inputs, mixed, strict=True)
        )
        self.residuals = nn.ModuleList(random_conv(count, count, 3) for count in mixed)
        self.scales = nn.ModuleList(
            random_conv(before, after, 1) for before, after in zip(mixed, self.outputs, strict=True)
        )

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        """Map features [B, I, H, W], each half as large as the one before it, to [B, O, 2H, 2W], O in `outputs`."""
        results: list[Tensor] = []
        layers = zip(features, self.channels, self.residuals, self.scales, strict=True)
        for feature, across, residual, out in reversed(list(layers)):
            mixed = across(feature)
            if results:
                mixed = mixed + results[-1]
            mixed = mixed + residual(mixed)
            results.append(F.interpolate(out(mixed), scale_factor=2, mode="bilinear"))
        return results[::-1]
