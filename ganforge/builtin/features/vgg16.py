"""VGG16, whose features precision and recall are made of."""

from __future__ import annotations

from typing import Literal

from ganforge.api import FeatureNetwork
from ganforge.builtin.features.parts.published_weights import (
    Publication,
    PublishedFeatures,
    TorchFidelityNetwork,
    WeightsFile,
)


class Vgg16(PublishedFeatures):
    """VGG16, second fully connected layer [B, 4096] after its ReLU (Simonyan & Zisserman 2014, arXiv:1409.1556).

    These are the features of improved precision and recall (Kynkäänniemi et al. 2019, arXiv:1904.06991, sec. 3). The
    network, torchvision's weights and the TensorFlow-1 resizer to 224x224 are torch-fidelity's `vgg16`.
    """

    kind: Literal["vgg16"] = "vgg16"

    @property
    def publication(self) -> Publication:
        """torchvision's weights for ImageNet."""
        from torchvision.models import VGG16_Weights

        url = str(VGG16_Weights.IMAGENET1K_V1.url)
        return Publication("torchvision's VGG16", url, url.rpartition("/")[2])

    def assemble(self, content: WeightsFile) -> FeatureNetwork:
        """Make the network up to its second fully connected layer."""
        from torch_fidelity.feature_extractor_vgg16 import FeatureExtractorVGG16

        network = FeatureExtractorVGG16("vgg16", ["fc2_relu"], content.vetted())
        return TorchFidelityNetwork(network, "vgg16", "torch-fidelity, TensorFlow 1 bilinear, 224", "features")
