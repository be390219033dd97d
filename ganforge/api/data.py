"""Data: what they look like to networks, and where they come from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import one_hot

from ganforge.errors import DataError

if TYPE_CHECKING:
    from PIL.Image import Image

Batch = Mapping[str, Tensor]  # "image" [B, *shape] and, where the data have labels, "label" (see `DataSpec`)


@dataclass(frozen=True)
class DataSpec:
    """What every network is built against: the shape of one sample and the conditions that come with it.

    Args:
        shape: of one sample: (channels, resolution, resolution) for square images, (2,) for points.
        classes: number of classes; 0 = no label says a class. Labels are then int64 [B].
        class_names: their names, in the order of the labels; empty where they have none.
        conditions: numbers K in a continuous condition, each in [-1, 1]; 0 = none. Labels are then float32 [B, K].
        labelled: share of the samples whose class is known, in (0, 1]; the label of the others is -1.
    """

    shape: tuple[int, ...]
    classes: int = 0
    class_names: tuple[str, ...] = ()
    conditions: int = 0
    labelled: float = 1.0

    @property
    def label_size(self) -> int:
        """Numbers in an encoded label, see `encode`; 0 where the data carry none."""
        return self.classes or self.conditions

    def encode(self, labels: Tensor | None) -> Tensor:
        """Return labels as networks read them, [B, label_size] float32: classes one-hot, conditions as they are."""
        assert labels is not None, "a network for labelled data was given no labels"
        return one_hot(labels, self.classes).float() if self.classes else labels

    @property
    def size(self) -> int:
        """Numbers in one sample."""
        return int(np.prod(self.shape))

    @property
    def channels(self) -> int:
        """Channels of the images; a `DataError` where the samples are not square images."""
        return self._image()[0]

    @property
    def resolution(self) -> int:
        """Height and width of the images; a `DataError` where the samples are not square images."""
        return self._image()[1]

    def _image(self) -> tuple[int, int]:
        if len(self.shape) != 3 or self.shape[1] != self.shape[2]:
            raise DataError(
                f"this component works on square images, and the data are of shape {list(self.shape)}; "
                "choose another data kind, or a component that takes any shape (such as mlp)"
            )
        return self.shape[0], self.shape[1]

    def to_json(self) -> dict[str, Any]:
        """Return a form that JSON can hold; `from_json` reads it."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> DataSpec:
        """Read what `to_json` gave."""
        return cls(**{**value, "shape": tuple(value["shape"]), "class_names": tuple(value["class_names"])})


class Source(ABC):
    """An opened data set: numbered samples of one shape."""

    spec: DataSpec
    fingerprint: str  # changes when the content or the settings change
    notices: tuple[str, ...] = ()  # what a person should know of it though it can be used, each a sentence

    @abstractmethod
    def __len__(self) -> int:
        """How many samples there are."""

    @abstractmethod
    def batch(self, indices: np.ndarray) -> Batch:
        """Return the samples of these indices [B] as CPU tensors: images uint8 [B, C, H, W], points float32 [B, D]."""

    @abstractmethod
    def show(self, samples: Tensor) -> Image:
        """Return a picture of samples [N, *shape] (images in [-1, 1]; points in data units): a grid, a scatter plot."""


class KnownModes(ABC):
    """A source whose distribution is a known mixture of equally likely, round Gaussians."""

    modes: np.ndarray  # centres [M, D] float32
    std: float  # standard deviation of each, per axis


class KnownConditions(ABC):
    """A source that can tell, by measuring a sample, which continuous condition it shows."""

    @abstractmethod
    def measure(self, samples: Tensor) -> Tensor:
        """Return the conditions [N, K], about in [-1, 1], that samples [N, *shape] (images in [-1, 1]) show."""


def to_float(samples: Tensor) -> Tensor:
    """Return uint8 images 0..255 as float32 in [-1, 1]; samples that are float already are returned as they are."""
    return samples if samples.is_floating_point() else samples.float().mul_(2 / 255).sub_(1)


def to_uint8(samples: Tensor) -> Tensor:
    """Return images in [-1, 1] as they are saved: uint8, rounded to the nearest level, clamped to 0..255."""
    return samples.detach().float().add(1).mul_(255 / 2).round_().clamp_(0, 255).to(torch.uint8)


def to_device(batch: Batch, device: torch.device) -> Batch:
    """Put a batch on the device: images as float32 in [-1, 1], channels last."""
    placed: dict[str, Tensor] = {}
    for name, value in batch.items():
        value = value.to(device, non_blocking=True)
        placed[name] = value if name == "label" else to_float(value)
        if placed[name].dim() == 4:
            placed[name] = placed[name].contiguous(memory_format=torch.channels_last)
    return placed
