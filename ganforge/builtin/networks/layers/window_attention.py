"""Self-attention within windows of an image."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

INITIAL_STD = 0.02  # of linear maps of 512 inputs, as the authors have it; narrower ones begin with as much variance
_USUAL = 512


def linear(inputs: int, outputs: int, *, bias: bool = True) -> nn.Linear:
    """Make a linear map whose weights begin with standard deviation 0.02 sqrt(512 / inputs), and its bias at 0."""
    layer = nn.Linear(inputs, outputs, bias=bias)
    nn.init.trunc_normal_(layer.weight, std=INITIAL_STD * math.sqrt(_USUAL / inputs))
    if bias:
        nn.init.zeros_(layer.bias)
    return layer


class DoubleAttention(nn.Module):
    """Half of the heads attend within windows, half within windows shifted by half a window.

    StyleSwin (Zhang et al. 2021, arXiv:2112.10762, sec. 3.2 and eq. 2-3), with the relative position bias of Swin (Liu
    et al. 2021, arXiv:2103.14030, eq. 4). Where one window sees the whole image, nothing is shifted.

    Args:
        channels: of the images.
        resolution: R of the images.
        window: edge length of a window, at least 2.
        heads: an even number that divides the channels.
    """

    index: Tensor
    barred: Tensor | None

    def __init__(self, channels: int, resolution: int, window: int, heads: int) -> None:
        super().__init__()
        self.heads, self.window = heads, min(window, resolution)
        self.shift = self.window // 2 if resolution > self.window else 0
        self.to_heads, self.from_heads = linear(channels, 3 * channels), linear(channels, channels)
        self.position = nn.Parameter(torch.empty((2 * self.window - 1) ** 2, heads))
        nn.init.trunc_normal_(self.position, std=INITIAL_STD)
        self.register_buffer("index", self._index(), persistent=False)
        self.register_buffer("barred", self._barred(resolution) if self.shift else None, persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Map images [B, R, R, C] to the same shape."""
        parts = self.to_heads(images)
        if self.shift:
            plain, shifted = parts.unflatten(3, (3, 2, -1)).unbind(4)  # [B, R, R, 3, C / 2]
            parts = torch.cat([plain, self._roll(shifted, -self.shift)], 4).flatten(3)
        queries, keys, values = self._windows(parts)  # each [B, windows, heads, N, C / heads]
        scores = (queries / math.sqrt(queries.shape[4])) @ keys.transpose(3, 4) + self._bias()
        mixed = self._images(scores.softmax(4) @ values, images.shape[1])
        if self.shift:
            plain, shifted = mixed.chunk(2, 3)
            mixed = torch.cat([plain, self._roll(shifted, self.shift)], 3)
        return self.from_heads(mixed)  # type: ignore[no-any-return]

    def _roll(self, images: Tensor, by: int) -> Tensor:
        return images.roll((by, by), (1, 2))

    def _windows(self, images: Tensor) -> Tensor:
        """Map [B, R, R, 3 C] to [3, B, windows, heads, N, C / heads]; a window has N pixels."""
        batch, resolution, window = len(images), images.shape[1], self.window
        count = resolution // window
        parts = images.reshape(batch, count, window, count, window, 3, self.heads, -1)
        return parts.permute(5, 0, 1, 3, 6, 2, 4, 7).reshape(3, batch, count**2, self.heads, window**2, -1)

    def _images(self, windows: Tensor, resolution: int) -> Tensor:
        """Map [B, windows, heads, N, C / heads] to [B, R, R, C]."""
        count, window = resolution // self.window, self.window
        parts = windows.reshape(len(windows), count, count, self.heads, window, window, -1)
        return parts.permute(0, 1, 4, 2, 5, 3, 6).reshape(len(windows), resolution, resolution, -1)

    def _bias(self) -> Tensor:
        """Return what is added to the scores, [1 or windows, heads, N, N]."""
        size = self.window**2
        bias = self.position[self.index].view(size, size, self.heads).permute(2, 0, 1)[None]
        if self.barred is None:
            return bias
        plain, shifted = bias.chunk(2, 1)
        windows = len(self.barred)
        shifted = shifted.expand(windows, -1, -1, -1).masked_fill(self.barred[:, None], -math.inf)
        return torch.cat([plain.expand(windows, -1, -1, -1), shifted], 1)

    def _index(self) -> Tensor:
        """Return, for each pair of pixels of a window, the number of their offset, [N N]."""
        size, steps = self.window, torch.arange(self.window)
        offsets = steps[:, None] - steps[None] + size - 1  # [size, size], 0 ... 2 size - 2
        pairs = offsets[:, None, :, None] * (2 * size - 1) + offsets[None, :, None, :]  # [row, column, row, column]
        return pairs.flatten()

    def _barred(self, resolution: int) -> Tensor:
        """Return which pairs of pixels of shifted windows are no neighbours but met by wrapping, [windows, N, N]."""
        wrapped = torch.arange(resolution) >= resolution - self.shift
        region = wrapped[:, None] * 2 + wrapped[None]  # [R, R]
        count = resolution // self.window
        regions = region.view(count, self.window, count, self.window).permute(0, 2, 1, 3).reshape(count**2, -1)
        return regions[:, :, None] != regions[:, None]
