"""Images preprocessed for networks that were trained by torch: resized by torch-fidelity, then normalised."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from ganforge.api import FeatureNetwork

IMAGENET_NORMALISATION = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


class PreprocessedNetwork(FeatureNetwork):
    """A network behind torch-fidelity's resizer (bilinear as in TensorFlow 1) and its normalisation.

    Args:
        network: from [B, 3, size, size] to features [B, D].
        name: of network and weights.
        size: pixels.
        normal: mean and deviation of each channel, of images in [0, 1].
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self, network: nn.Module, name: str, size: int, normal: tuple[Sequence[float], Sequence[float]]
    ) -> None:
        super().__init__()
        self.network, self.name, self.size = network, name, size
        self.resizer = f"torch-fidelity, TensorFlow 1 bilinear, {size}"
        for key, values in zip(("mean", "std"), normal, strict=True):
            scaled = torch.tensor([255 * value for value in values]).reshape(3, 1, 1)
            self.register_buffer(key, scaled, persistent=False)

    def forward(self, images: Tensor) -> Mapping[str, Tensor]:
        """Return `features` [B, D], float32."""
        from torch_fidelity.interpolate_compat_tensorflow import interpolate_bilinear_2d_like_tensorflow1x

        resized = interpolate_bilinear_2d_like_tensorflow1x(
            images.float(), size=(self.size, self.size), align_corners=False
        )
        return {"features": self.network((resized - self.mean) / self.std).float()}
