"""Normalisation of the feature vector at each pixel."""

from __future__ import annotations

from torch import Tensor


def pixel_norm(features: Tensor, eps: float = 1e-8) -> Tensor:
    """Scale features [B, C, ...] to a mean square of 1 over C, at each pixel (Karras et al. 2018, arXiv:1710.10196).

    b = a / sqrt(mean_c a_c^2 + eps), sec. 4.2.
    """
    return features * (features.square().mean(1, keepdim=True) + eps).rsqrt()
