"""InceptionV3 as the first paper on FID used it."""

from __future__ import annotations

from typing import ClassVar, Literal

from ganforge.api import FeatureNetwork
from ganforge.builtin.features.parts.published_weights import (
    Publication,
    PublishedFeatures,
    TorchFidelityNetwork,
    WeightsFile,
)

_NAME = "inception-v3-compat"


class Inception(PublishedFeatures):
    """InceptionV3, pooled features [B, 2048] (Heusel et al. 2017, arXiv:1706.08500, sec. 4), TensorFlow-compatible.

    The network, its weights (converted from the ones of 2015-12-05 that papers use) and its TensorFlow-1 resizer are
    torch-fidelity's `inception-v3-compat`. It also tells `logits` [B, 1008], and `logits-unbiased`, the same without
    their bias, of which the Inception Score is made.
    """

    kind: Literal["inception"] = "inception"
    classifies: ClassVar[bool] = True

    @property
    def publication(self) -> Publication:
        """torch-fidelity's weights."""
        from torch_fidelity.feature_extractor_inceptionv3 import URL_INCEPTION_V3

        return Publication("torch-fidelity's InceptionV3", URL_INCEPTION_V3, str(URL_INCEPTION_V3).rpartition("/")[2])

    def assemble(self, content: WeightsFile) -> FeatureNetwork:
        """Make the network up to its last pooling."""
        from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

        network = FeatureExtractorInceptionV3(_NAME, ["2048", "logits_unbiased", "logits"], content.vetted())
        resizer = "torch-fidelity, TensorFlow 1 bilinear, 299"
        return TorchFidelityNetwork(network, _NAME, resizer, "features", "logits-unbiased", "logits")
