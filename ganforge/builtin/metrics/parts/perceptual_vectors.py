"""Vectors whose squared distance says how different two images look."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from ganforge.api import Exam, Features

PORTION = 2**18  # pixels that are looked at at a time


def vectors_from(told: Mapping[str, Tensor]) -> Tensor:
    """Return `perceptual` [B, P] of what a network tells, or `features` [B, D] of one that knows no such."""
    return told["perceptual"] if "perceptual" in told else told["features"]


def perceptual_vectors(exam: Exam, features: Features, images: Tensor) -> Iterator[Tensor]:
    """Yield vectors [b, P] of images [B, C, H, W] in 0..255, a few at a time, on the device of the exam."""
    network = exam.network(features)
    with torch.no_grad():
        for part in torch.split(images, max(1, PORTION // images[0, 0].numel())):
            yield vectors_from(network(part.to(exam.device).expand(-1, 3, -1, -1))).float()
