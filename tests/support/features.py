"""Features that are quick to tell and rich enough to compare, here and in torch-fidelity."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from ganforge.api.families import Features
from ganforge.api.metric import FeatureNetwork
from support.examinations import MeanColours


class RandomFeatures(FeatureNetwork):
    """Sixteen features of a fixed random convolution, and ten logits made of them."""

    name, weights_sha256, resizer = "random-features", "1" * 64, "none"

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.register_buffer("kernel", torch.randn(16, 3, 5, 5, generator=generator))
        self.register_buffer("readout", 4 * torch.randn(16, 10, generator=generator))

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        features = F.conv2d(images.float() / 255, self.get_buffer("kernel")).relu().mean((2, 3))
        return {"features": features, "logits": features @ self.get_buffer("readout")}


class Random(Features):
    """A fixed random convolution."""

    kind: Literal["random-features"] = "random-features"

    def build(self) -> FeatureNetwork:
        return RandomFeatures()


class Colours(Features):
    """Mean colours, and no logits."""

    kind: Literal["mean-colours"] = "mean-colours"

    def build(self) -> FeatureNetwork:
        return MeanColours()


class PrimaryNetwork(MeanColours):
    """A classifier that is sure which of red, green and blue there is most of."""

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        features = super().forward(images)["features"]
        return {"features": features, "logits": features}


class Primary(Features):
    """Red, green or blue."""

    kind: Literal["primary-colours"] = "primary-colours"

    def build(self) -> FeatureNetwork:
        return PrimaryNetwork()
