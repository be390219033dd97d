"""DINOv2, features learnt without labels."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ganforge.api import FeatureNetwork
from ganforge.builtin.features.parts.preprocessing import IMAGENET_NORMALISATION, PreprocessedNetwork
from ganforge.builtin.features.parts.published_weights import Publication, PublishedFeatures, WeightsFile
from ganforge.builtin.features.parts.vision_transformer import VisionTransformer

SIZE = 224  # pixels, as torch-fidelity shows images to it
_SHAPES = {  # width, depth, heads, gated (arXiv:2304.07193, table 17)
    "vit-s-14": (384, 12, 6, False),
    "vit-b-14": (768, 12, 12, False),
    "vit-l-14": (1024, 24, 16, False),
    "vit-g-14": (1536, 40, 24, True),
}


class DinoV2(PublishedFeatures):
    """DINOv2's class token [B, D] (Oquab et al. 2023, arXiv:2304.07193), closer to what people see than Inception's.

    So Stein et al. 2023 find (arXiv:2306.04675). The resizer to 224x224 is that of torch-fidelity's `dinov2-MODEL`,
    which downloads and runs the authors' program; here the network is ours, equal to theirs, and nothing foreign runs.
    The authors publish no checksum of their files: compare the one in the receipt.
    """

    kind: Literal["dinov2"] = "dinov2"
    model: Literal["vit-s-14", "vit-b-14", "vit-l-14", "vit-g-14"] = Field(
        default="vit-b-14", description="which network, small to giant"
    )

    @property
    def publication(self) -> Publication:
        """The authors' weights."""
        name = f"dinov2_vit{self.model[4]}14"
        url = f"https://dl.fbaipublicfiles.com/dinov2/{name}/{name}_pretrain.pth"
        return Publication(f"DINOv2 {self.model}", url, url.rpartition("/")[2])

    def assemble(self, content: WeightsFile) -> FeatureNetwork:
        """Make the network."""
        state = content.state()
        network = VisionTransformer(*_SHAPES[self.model])
        network.load_state_dict(state)
        return PreprocessedNetwork(network, f"dinov2-{self.model}", SIZE, IMAGENET_NORMALISATION)
