"""CLIP's image towers."""

from __future__ import annotations

import io
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from ganforge.api import FeatureNetwork
from ganforge.builtin.features.parts.preprocessing import PreprocessedNetwork
from ganforge.builtin.features.parts.published_weights import Publication, PublishedFeatures, WeightsFile

CLIP_NORMALISATION = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
_SHAPES = {  # features D, and positions that the tower attends to
    "rn50": (1024, 50),
    "rn101": (512, 50),
    "rn50x4": (640, 82),
    "rn50x16": (768, 145),
    "rn50x64": (1024, 197),
    "vit-b-32": (512, 50),
    "vit-b-16": (512, 197),
    "vit-l-14": (768, 257),
    "vit-l-14-336px": (768, 577),
}


class Clip(PublishedFeatures):
    """CLIP's image features [B, D] (Radford et al. 2021, arXiv:2103.00020): of photographs and of drawings alike.

    The networks, OpenAI's weights and the TensorFlow-1 resizer are torch-fidelity's `clip-MODEL`. The published files
    are TorchScript, which can run code: one is opened only if its whole sha256 is the published one. A plain state_dict
    with the same names is read as well.
    """

    kind: Literal["clip"] = "clip"
    model: Literal[
        "rn50", "rn101", "rn50x4", "rn50x16", "rn50x64", "vit-b-32", "vit-b-16", "vit-l-14", "vit-l-14-336px"
    ] = Field(default="vit-b-32", description="which image tower")

    @property
    def publication(self) -> Publication:
        """OpenAI's weights."""
        from torch_fidelity.feature_extractor_clip import MODEL_METADATA, MODEL_URLS

        name = f"clip-{self.model}"
        return Publication(f"CLIP {self.model}", MODEL_URLS[name], f"{name}-{MODEL_METADATA[name]['hash']}.pt")

    def assemble(self, content: WeightsFile) -> FeatureNetwork:
        """Make the image tower."""
        from torch_fidelity.feature_extractor_clip import build_model

        if content.sha256 == self.publication.sha256:
            archive = torch.jit.load(io.BytesIO(content.data), map_location="cpu")  # type: ignore[no-untyped-call]
            state: dict[str, Tensor] = dict(archive.state_dict())
        else:
            state = content.state()
        transformer = "visual.proj" in state
        where = "visual.positional_embedding" if transformer else "visual.attnpool.positional_embedding"
        found = (state["text_projection"].shape[-1], len(state[where]))
        if transformer != self.model.startswith("vit") or found != _SHAPES[self.model]:
            raise TypeError(f"these are the weights of another tower than {self.model}")
        visual = build_model(state, torch.float32).visual
        return PreprocessedNetwork(visual, f"clip-{self.model}", int(visual.input_resolution), CLIP_NORMALISATION)
