"""What goes wrong in a person's own code or data, as components: planted in recipes of the battery, never installed."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import torch
from PIL import Image
from pydantic import Field, NonNegativeInt, PositiveInt
from torch import Tensor

from ganforge.api.data import Batch, DataSpec, Source
from ganforge.api.duel import Duel
from ganforge.api.families import Dataset, Generator, Loss
from ganforge.api.network import GeneratorNetwork
from ganforge.api.slots import AnyDataset, AnyGenerator, AnyLoss
from ganforge.builtin.data.sources.pixels import ImageDataset, PixelSource, digest
from ganforge.plugins.catalogue import Catalogue, CatalogueEntry, Plugin
from ganforge.plugins.loading import load_catalogue

DataDefect = Literal["raw", "unit", "one", "few", "copies", "black", "scrambled", "exchanged", "one-class", "nan"]
GeneratorDefect = Literal["sigmoid", "grey", "deaf", "deaf-to-one-class"]


class Crops(ImageDataset):
    """Coloured crops of the two photographs that come with scikit-learn, or of three that come with scikit-image."""

    kind: Literal["crops"] = "crops"
    indoors: bool = Field(default=False, description="those of scikit-image")

    def open(self, cache: Path) -> PixelSource:
        side, step, crops = 64, 24, []
        for photograph in _indoors() if self.indoors else _outdoors():
            for top in range(0, photograph.shape[0] - side, step):
                for left in range(0, photograph.shape[1] - side, step):
                    crop = Image.fromarray(photograph[top : top + side, left : left + side])
                    crops.append(np.asarray(crop.resize((self.resolution, self.resolution), Image.Resampling.BOX)))
        pixels = np.stack(crops)
        return PixelSource(pixels, digest(pixels.tobytes()), mirror=self.mirror)


def _outdoors() -> list[np.ndarray]:
    from sklearn.datasets import load_sample_images

    return list(load_sample_images().images)


def _indoors() -> list[np.ndarray]:
    from skimage.data import astronaut, chelsea, coffee

    return [astronaut(), chelsea(), coffee()]


class PlantedData(Dataset):
    """Data with a defect.

    raw: floats from 0 to 255; unit: from 0 to 1; one, few: so many samples; copies: each of few, again and again;
    black: nothing else; scrambled: rows of pixels read as planes; exchanged: blue for red; one-class: every label is 0;
    nan: one sample is none.
    """

    kind: Literal["planted"] = "planted"
    data: AnyDataset = Field(description="without the defect")
    defect: DataDefect = Field(description="what is wrong with them")
    samples: PositiveInt = Field(default=1, description="of few, and of copies: how many there are")

    def open(self, cache: Path) -> Source:
        return PlantedSource(self.data.open(cache), self.defect, self.samples)


class PlantedSource(Source):
    def __init__(self, inner: Source, defect: DataDefect, samples: int) -> None:
        self.inner, self.defect, self.samples = inner, defect, samples
        self.spec, self.fingerprint = inner.spec, f"{inner.fingerprint}-{defect}"

    def __len__(self) -> int:
        return self.samples if self.defect in ("one", "few") else len(self.inner)

    def batch(self, indices: np.ndarray) -> Batch:
        batch = dict(self.inner.batch(indices % self.samples if self.defect == "copies" else indices))
        image, defect = batch["image"], self.defect
        if defect in ("raw", "unit"):
            batch["image"] = image.float() / (255 if defect == "unit" else 1)
        elif defect == "black":
            batch["image"] = torch.zeros_like(image)
        elif defect == "scrambled":
            batch["image"] = image.permute(0, 2, 3, 1).reshape(image.shape)
        elif defect == "exchanged":
            batch["image"] = image.flip(1)
        elif defect == "one-class":
            batch["label"] = torch.zeros_like(batch["label"])
        elif defect == "nan":
            batch["image"] = image.float() * (2 / 255) - 1
            batch["image"][torch.from_numpy(indices == 0)] = torch.nan
        return batch

    def show(self, samples: Tensor) -> Image.Image:
        return self.inner.show(samples)


class PlantedGenerator(Generator):
    """A generator with a defect.

    sigmoid: images from 0 to 1; grey: next to nothing comes out; deaf: latents change nothing; deaf-to-one-class: they
    change nothing where the label is 0.
    """

    kind: Literal["planted"] = "planted"
    network: AnyGenerator = Field(description="without the defect")
    defect: GeneratorDefect = Field(description="what is wrong with it")

    def build(self, data: DataSpec) -> GeneratorNetwork:
        network = self.network.model_copy(update={"latent": self.latent})
        return PlantedGeneratorNetwork(network.build(data), self.defect)


class PlantedGeneratorNetwork(GeneratorNetwork):
    def __init__(self, inner: GeneratorNetwork, defect: GeneratorDefect) -> None:
        super().__init__()
        self.inner, self.defect = inner, defect

    def forward(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        if self.defect == "deaf":
            latents = torch.zeros_like(latents)
        elif self.defect == "deaf-to-one-class":
            assert labels is not None
            latents = latents * (labels != 0)[:, None]
        samples: Tensor = self.inner(latents, labels)
        if self.defect == "sigmoid":
            samples = (samples + 1) / 2
        return samples * 0.02 if self.defect == "grey" else samples


class PlantedLoss(Loss):
    """A loss that is not a number from some round on."""

    kind: Literal["planted"] = "planted"
    loss: AnyLoss = Field(description="without the defect")
    after_images: NonNegativeInt = Field(description="images shown from which on it is not a number")

    def discriminator(self, duel: Duel) -> Tensor:
        value = self.loss.discriminator(duel)
        return value * torch.nan if duel.images >= self.after_images else value

    def generator(self, duel: Duel) -> Tensor:
        return self.loss.generator(duel)


def catalogue() -> Catalogue:
    """The installed components but for other plugins', and the planted ones."""
    ours = Plugin("battery", "battery", "0")
    planted = {"datasets": (Crops, PlantedData), "generators": (PlantedGenerator,), "losses": (PlantedLoss,)}
    entries = [
        CatalogueEntry(family, cls.kind_name(), cls, ours) for family, classes in planted.items() for cls in classes
    ]
    installed = load_catalogue(only=[])
    assert not installed.broken, installed.broken
    return Catalogue([*installed.entries, *entries])
