"""LPIPS: how different two images look, learnt from what people say."""

from __future__ import annotations

import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from ganforge.api import DataError, FeatureNetwork, GanforgeError, UnroundedFeatureNetwork
from ganforge.builtin.features.parts.published_weights import (
    Publication,
    PublishedFeatures,
    WeightsFile,
    read_weights_file,
)

STAGES = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))  # channels of VGG16's convolutions
SMALLEST = 2 ** (len(STAGES) - 1)  # pixels: each stage but the first halves them
EPS = 1e-10
SHIFT, SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)  # of images in [-1, 1], as it was trained


class Lpips(PublishedFeatures):
    """LPIPS on VGG16, `lpips-vgg16` of torch-fidelity (Zhang et al. 2018, arXiv:1801.03924, eq. 1).

    Activations of five layers are normalised over their channels, weighted as people weigh differences, and compared at
    every place. It is told as one vector, `perceptual`, of which LPIPS is the squared Euclidean distance; its size
    grows with the image (half a million numbers at 64x64). `features` [B, 1472] are the same activations averaged over
    places. Images keep their size. `weights` are torchvision's VGG16, as for `vgg16`.
    """

    kind: Literal["lpips-vgg16"] = "lpips-vgg16"
    linear: Path | None = Field(
        default=None,
        description="the published weights of the channels; left out: downloaded once into torch's hub folder",
    )

    @property
    def publication(self) -> Publication:
        """torchvision's weights for ImageNet."""
        from torchvision.models import VGG16_Weights

        url = str(VGG16_Weights.IMAGENET1K_V1.url)
        return Publication("torchvision's VGG16", url, url.rpartition("/")[2])

    def assemble(self, content: WeightsFile) -> FeatureNetwork:
        """Make the network; a `GanforgeError` where the weights of the channels cannot be had."""
        from torch_fidelity.sample_similarity_lpips import URL_VGG16_LPIPS

        url = str(URL_VGG16_LPIPS)
        path = self.linear or Publication("LPIPS", url, url.rpartition("/")[2]).fetch()
        try:
            linear = read_weights_file(path, "LPIPS")
            weights = [linear.state()[f"lin{stage}.model.1.weight"].flatten() for stage in range(len(STAGES))]
        except (pickle.UnpicklingError, RuntimeError, TypeError, KeyError, EOFError) as error:
            raise GanforgeError(f"{path} does not hold the LPIPS weights of channels; expected {url}") from error
        if [len(w) for w in weights] != [stage[-1] for stage in STAGES] or min(float(w.min()) for w in weights) < 0:
            raise GanforgeError(f"{path} holds weights of other channels than VGG16's; expected {url}")
        network = LpipsNetwork(weights, f"{self.kind}, channels {linear.sha256[:8]}")
        state = {name: value for name, value in content.state().items() if name.startswith("features.")}
        network.load_state_dict(state)
        return network


class LpipsNetwork(UnroundedFeatureNetwork):
    """VGG16's convolutions, and the weights of their channels.

    Args:
        weights: of the channels of each stage, at least 0.
        name: of the network and of these weights.
    """

    resizer = "none"

    def __init__(self, weights: Sequence[Tensor], name: str) -> None:
        super().__init__()
        self.name, self.weights_sha256 = name, ""
        layers: list[nn.Module] = []
        channels, self.tapped = 3, []
        for number, stage in enumerate(STAGES):
            layers += [nn.MaxPool2d(2)] * (number > 0)
            for width in stage:
                layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
                channels = width
            self.tapped.append(len(layers) - 1)
        self.features = nn.Sequential(*layers)  # named as in torchvision's file
        for number, weight in enumerate(weights):
            self.register_buffer(f"weight{number}", weight.float().reshape(-1, 1, 1), persistent=False)
        self.register_buffer("shift", torch.tensor(SHIFT).reshape(3, 1, 1), persistent=False)
        self.register_buffer("scale", torch.tensor(SCALE).reshape(3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Mapping[str, Tensor]:
        """Return `perceptual` [B, P] and `features` [B, 1472] of images [B, 3, H, W] in 0..255.

        Raises:
            DataError: the images are too small.
        """
        if min(images.shape[2:]) < SMALLEST:
            raise DataError(
                f"lpips-vgg16 needs images of {SMALLEST} pixels or more, and these have {min(images.shape[2:])}; "
                'choose other features, such as "pixels"'
            )
        seen = (images.float() / 127.5 - 1 - self.get_buffer("shift")) / self.get_buffer("scale")
        perceptual, features = [], []
        for place, layer in enumerate(self.features):
            seen = layer(seen)
            if place in self.tapped:
                weight = self.get_buffer(f"weight{self.tapped.index(place)}")
                normal = seen / (seen.square().sum(1, keepdim=True).sqrt() + EPS)
                spread = (weight / (seen.shape[2] * seen.shape[3])).sqrt()
                perceptual.append((normal * spread).flatten(1))
                features.append(F.adaptive_avg_pool2d(seen, 1).flatten(1))
        return {"perceptual": torch.cat(perceptual, 1), "features": torch.cat(features, 1)}
