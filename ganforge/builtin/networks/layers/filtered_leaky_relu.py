"""The filtered rectifier of alias-free networks: enlarge, rectify, and shrink again below the new rate's limit."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F

from ganforge.builtin.networks.layers.convolution import convolve
from ganforge.builtin.networks.layers.equalized_layers import LEAKY_RELU_SLOPE
from ganforge.builtin.networks.layers.lowpass_filters import jinc_taps, sinc_taps


@dataclass(frozen=True)
class SignalBand:
    """A signal between two layers (Karras et al. 2021, arXiv:2106.12423, sec. 2.1 and fig. 4).

    Args:
        cutoff: the highest frequency that it should hold, in cycles per image width.
        half_width: of the transition band of filters around the cutoff, in the same unit.
        rate: samples per image width.
        size: samples along each axis: the image and the margin around it.
    """

    cutoff: float
    half_width: float
    rate: int
    size: int


class FilteredLeakyReLU(nn.Module):
    """Leaky rectifier of the continuous signal that the samples stand for (arXiv:2106.12423, sec. 2.2 and app. B).

    The samples are enlarged to twice the higher rate of both, rectified there, and brought to the output's rate behind
    a low-pass filter, so that what the rectifier adds above the new limit does not fold back. Filters are depthwise
    convolutions, along one axis after the other where they are separable.

    Args:
        channels: of the images.
        before: the band that comes in; its size is that of the images that come in.
        after: the band that goes out.
        taps: length of filters for each factor of enlargement or shrinking, even.
        radial: whether the low-pass filter after the rectifier is the same in every direction.
        gain: multiplies the result.
    """

    up_filter: Tensor
    down_filter: Tensor

    def __init__(
        self,
        channels: int,
        before: SignalBand,
        after: SignalBand,
        *,
        taps: int = 6,
        radial: bool = False,
        gain: float = 1.0,
    ) -> None:
        super().__init__()
        self.channels, self.radial = channels, radial
        rate = 2 * max(before.rate, after.rate)
        self.up, self.down = rate // before.rate, rate // after.rate
        length, down_taps = taps * self.up, taps * self.down
        rectified = (after.size - 1) * self.down + down_taps  # samples along each axis that the output depends on
        self.crop = ((before.size - 1) * self.up + length - rectified) // 2
        assert self.crop >= 0, f"{before} does not reach as far as {after}"
        up = sinc_taps(length, before.cutoff, before.half_width, rate) * self.up
        self.register_buffer("up_filter", self._depthwise(up[:, None]), persistent=False)
        design = jinc_taps if radial else sinc_taps
        down = design(down_taps, after.cutoff, after.half_width, rate) * (gain if radial else gain**0.5)
        self.register_buffer("down_filter", self._depthwise(down if radial else down[:, None]), persistent=False)

    def _depthwise(self, kernel: Tensor) -> Tensor:
        return kernel.float().expand(self.channels, 1, -1, -1).clone()

    def forward(self, images: Tensor) -> Tensor:
        """Map images [B, C, before.size, before.size] to [B, C, after.size, after.size]."""
        up, down = self.up_filter.to(images.dtype), self.down_filter.to(images.dtype)
        images = self._upsample(images, up, (self.up, 1), (self.crop, 0))
        images = self._upsample(images, up.transpose(2, 3), (1, self.up), (0, self.crop))
        images = F.leaky_relu(images, LEAKY_RELU_SLOPE, inplace=True)
        if self.radial:
            return convolve(images, down, stride=self.down, groups=self.channels)
        images = convolve(images, down.transpose(2, 3), stride=(1, self.down), groups=self.channels)
        return convolve(images, down, stride=(self.down, 1), groups=self.channels)

    def _upsample(self, images: Tensor, kernel: Tensor, factor: tuple[int, int], crop: tuple[int, int]) -> Tensor:
        return convolve(images, kernel, stride=factor, padding=crop, transposed=True, groups=self.channels)
