"""Labels appended to other inputs."""

from __future__ import annotations

import torch
from torch import Tensor

from ganforge.api import DataSpec


def concatenate_labels(vectors: Tensor, labels: Tensor | None, data: DataSpec) -> Tensor:
    """Return vectors with their labels appended (Mirza & Osindero 2014, arXiv:1411.1784, sec. 3.2).

    Args:
        vectors: [B, N].
        labels: [B] or [B, K], see `DataSpec`; not looked at where the data carry none.
        data: what the labels mean.

    Returns:
        [B, N + label_size]: classes one-hot, continuous conditions as they are.
    """
    if data.label_size == 0:
        return vectors
    return torch.cat([vectors, data.encode(labels).to(vectors.dtype)], 1)
