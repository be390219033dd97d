"""Self-attention between the places of an image."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import max_pool2d, softmax


class SelfAttention(nn.Module):
    """Every place of a feature map looks at every other (Zhang et al. 2019, arXiv:1805.08318, sec. 3).

    With queries q and keys k of 1/8 of the channels and values v of half of them, all 1x1 convolutions of the images x,
    the result is x + strength * W softmax(q^T k) v (eqs. 1 to 3). Keys and values are max-pooled to half the resolution
    and the strength begins at 0, as in the authors' implementation and in BigGAN (arXiv:1809.11096).

    Args:
        channels: of the images; narrow images have at least one channel of queries and values.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        inner, values = max(channels // 8, 1), max(channels // 2, 1)
        self.query = nn.Conv2d(channels, inner, 1, bias=False)
        self.key = nn.Conv2d(channels, inner, 1, bias=False)
        self.value = nn.Conv2d(channels, values, 1, bias=False)
        self.last = nn.Conv2d(values, channels, 1, bias=False)
        self.strength = nn.Parameter(torch.zeros(1))

    def forward(self, images: Tensor) -> Tensor:
        """Map images [B, C, H, W], H and W even, to images of the same shape."""
        query = self.query(images).flatten(2)  # [B, C / 8, H W]
        key = max_pool2d(self.key(images), 2).flatten(2)  # [B, C / 8, H W / 4]
        value = max_pool2d(self.value(images), 2).flatten(2)  # [B, C / 2, H W / 4]
        weights = softmax(query.mT @ key, 2)  # [B, H W, H W / 4]: where each place looks
        seen = (value @ weights.mT).reshape(len(images), -1, *images.shape[2:])
        return torch.addcmul(images, self.strength, self.last(seen))
