"""Weights for torch-fidelity's InceptionV3 that need no download: random ones of the right form."""

from __future__ import annotations

import io
from pathlib import Path

import torch
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3


class Shell(FeatureExtractorInceptionV3):
    """The network as its layers initialise themselves."""

    def load_state_dict(self, *_: object, **__: object) -> None:  # type: ignore[override]
        return None


def make_weights(path: Path) -> Path:
    """Save random weights, scaled so that differences reach the last layer (He et al. 2015)."""
    nothing = io.BytesIO()
    torch.save({}, nothing)
    nothing.seek(0)
    state = Shell("shell", ["2048"], nothing).state_dict()
    generator = torch.Generator().manual_seed(0)
    for value in state.values():
        if value.dim() > 1:
            value.copy_(torch.randn(value.shape, generator=generator) * (2 / value[0].numel()) ** 0.5)
    torch.save(state, path)
    return path
