"""Small labelled things to examine: a source, and a game whose samples have classes in turn."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ganforge.api.data import Batch, DataSpec
from ganforge.api.network import Draw, GeneratorNetwork
from support.examinations import ArraySource, ConstantGame


class Labelled(ArraySource):
    """Samples with classes in turn."""

    def __init__(self, samples: np.ndarray, classes: int) -> None:
        super().__init__(samples, f"labelled-{classes}")
        self.spec = DataSpec(tuple(samples.shape[1:]), classes)

    def batch(self, indices: np.ndarray) -> Batch:
        return {**super().batch(indices), "label": torch.from_numpy(indices % self.spec.classes)}


class Looks(GeneratorNetwork):
    """Nothing is asked of it."""

    def forward(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        raise NotImplementedError


class LabelledGame(ConstantGame):
    """The given samples, with classes in turn."""

    def draw(self, count: int, labels: Tensor | None = None) -> Draw:
        assert self.dice.last is not None
        places = torch.arange(self.dice.last.start, self.dice.last.start + count)
        return Draw(Looks(), torch.zeros(count, 1), places % 3)
