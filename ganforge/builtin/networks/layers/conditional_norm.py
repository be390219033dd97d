"""BatchNorm that a condition steers."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ganforge.api import DataSpec


class ConditionalBatchNorm(nn.Module):
    """BatchNorm whose gain and bias are linear in a condition (de Vries et al. 2017, arXiv:1707.00683, eq. 5).

    The gain is 1 + G c and the bias B c, without constants (Brock et al. 2019, arXiv:1809.11096, app. B); for a one-hot
    label c this is one gain and one bias per class (Dumoulin et al. 2017, arXiv:1610.07629, eq. 5).

    Args:
        channels: of the images.
        condition: numbers in a condition; 0 = an ordinary BatchNorm with a gain and a bias of its own.
        eps: added to the variance.
    """

    def __init__(self, channels: int, condition: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, eps=eps, affine=condition == 0)
        self.gain = nn.Linear(condition, channels, bias=False) if condition else None
        self.bias = nn.Linear(condition, channels, bias=False) if condition else None

    def forward(self, images: Tensor, condition: Tensor | None) -> Tensor:
        """Normalise images [B, C, H, W] as conditions [B, condition] say, where there are any."""
        normal: Tensor = self.norm(images)
        if self.gain is None or self.bias is None:
            return normal
        gain, bias = 1 + self.gain(condition)[..., None, None], self.bias(condition)[..., None, None]
        return torch.addcmul(bias.to(normal.dtype), normal, gain.to(normal.dtype))


class SharedEmbedding(nn.Module):
    """One embedding of the labels for all layers of a generator (Brock et al. 2019, arXiv:1809.11096, app. B).

    It is no `nn.Linear`, so that spectral normalisation leaves it alone, as the authors do.

    Args:
        data: what the labels mean.
        size: numbers in the embedding of a label.
    """

    def __init__(self, data: DataSpec, size: int) -> None:
        super().__init__()
        self.data = data
        self.weight = nn.Parameter(torch.randn(data.label_size, size))

    def forward(self, labels: Tensor | None) -> Tensor:
        """Return embeddings [B, size] of labels [B] or [B, K], see `DataSpec`."""
        return self.data.encode(labels) @ self.weight
