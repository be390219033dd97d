"""Labels as one-hot vectors beside other inputs."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import one_hot


def append_labels(vectors: Tensor, labels: Tensor | None, classes: int) -> Tensor:
    """Return vectors with their labels appended (Mirza & Osindero 2014, arXiv:1411.1784, sec. 3.2).

    Args:
        vectors: [B, N].
        labels: [B] in 0 .. classes - 1; not looked at where classes is 0.
        classes: 0 = no labels.

    Returns:
        [B, N + classes].
    """
    if classes == 0:
        return vectors
    assert labels is not None, f"a network for {classes} classes was given no labels"
    return torch.cat([vectors, one_hot(labels, classes).to(vectors.dtype)], 1)
